/** What can open over a screen. */
import type { FetchRule, IdentityInfo, ItemInfo, KeepRule } from "../host/gen/api";
import type { Pick, Picked } from "../host/host";

export interface Confirm {
  kind: "confirm";
  title: string;
  text: string;
  /** Label of the button that does it. */
  go: string;
  danger: boolean;
  /** A box to tick, off at first. */
  also?: string;
  /** It asks whether to end the program. */
  quits?: boolean;
  /** Another way out of it, beside turning back. */
  instead?: { label: string; go: () => void };
  /** Whether to do it, and whether the box was ticked; null when the person turned back. */
  answer: (yes: { also: boolean } | null) => void;
}

/** What keeps the secrets out of reach, as {@link Status.secrets} tells it. */
export type Locked = "locked" | "none" | "keyring_locked" | "keyring_unused";

/** Whether the secrets are out of reach, and why. */
export const lockedBy = (secrets: string | undefined): Locked | null =>
  secrets === "locked" || secrets === "none" || secrets === "keyring_locked" || secrets === "keyring_unused" ? secrets : null;

/** Whether the secrets may be out of reach for good: then there is a way on without them. */
export const maybeLost = (secrets: string | undefined): boolean => secrets === "other_key" || secrets === "locked" || secrets === "keyring_locked";

export type Sheet =
  /** `outside`: the link was clicked somewhere else, not typed here. */
  | { kind: "add"; link: string; outside: boolean }
  | { kind: "share"; channel: string }
  | { kind: "rule"; channel: string; name: string; fetch: FetchRule; bytes: number }
  | { kind: "keep"; channel: string; name: string; keep: KeepRule; encrypted: boolean }
  | { kind: "edit_channel"; channel: string; name: string; about: string }
  | { kind: "edit_item"; item: ItemInfo }
  | { kind: "new_identity" }
  | { kind: "rename"; identity: IdentityInfo }
  | { kind: "back_up"; identity: IdentityInfo }
  | { kind: "restore"; file: Picked }
  /** `then` runs once the vault is open; `turned` when the person turned back. */
  | { kind: "unlock"; what: Locked; then: () => void; turned: () => void }
  /** What only a lost keyring or passphrase could open is to be given up. */
  | { kind: "give_up" }
  | { kind: "keys" }
  /** Answered once, with nothing when the person turned back. */
  | { kind: "pick"; pick: Pick; answer: (picked: Picked[]) => void }
  | Confirm;

export interface Toast {
  id: number;
  /** Something is done; something to know; something to look at; something went wrong. */
  tone: "done" | "plain" | "caution" | "danger";
  text: string;
  more: string;
  /** What the node said, word by word: shown when asked for. */
  detail: string;
  /** It is shown at once: the rest says too little. */
  open: boolean;
  act: { label: string; go: () => void } | null;
  /** One of a kind: a later one takes its place. */
  key: string | null;
}
