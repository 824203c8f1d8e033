/**
 * How a browser signs in to a node's web interface, and shows at each request that it has. Both sides know a key: the
 * token that the daemon printed, or the session that was made of it. The page names the key and sends a nonce; the node's
 * answer shows that it has the key; only then the page shows that it has it too. The key itself never travels.
 *
 * All of it is text: HMAC-SHA256 of a label and its parts, a line each (`crates/cli/src/web/proof.rs`).
 */

const SESSION = "megatorrent-session";
/** Where earlier versions kept a token that was good for ever. */
const FORMER = "megatorrent-token";

/** A key that both sides know. */
export interface Session {
  name: string;
  key: CryptoKey;
}

/**
 * Why there is no proof: the node does not know the key (any more); what answers is not the node; this page came by a way
 * on which browsers do no cryptography (neither https nor this computer).
 */
export type Why = "unknown" | "stranger" | "insecure";

export class Refused extends Error {
  constructor(readonly why: Why) {
    super(why);
  }
}

const text = new TextEncoder();
const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (digits: string): Uint8Array => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));

async function mac(key: CryptoKey, label: string, ...parts: string[]): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.sign("HMAC", key, text.encode([label, ...parts].join("\n")))));
}

async function session(secret: Uint8Array): Promise<Session> {
  // Browsers have it on https and on this computer only.
  if (!("subtle" in crypto)) throw new Refused("insecure");
  const key = await crypto.subtle.importKey("raw", secret as BufferSource, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return { name: (await mac(key, "name")).slice(0, 32), key };
}

/** Whether two texts are equal, in a time that does not tell how much of them is. */
function same(one: string, other: string): boolean {
  let unlike = one.length ^ other.length;
  for (let at = 0; at < one.length; at += 1) unlike |= one.charCodeAt(at) ^ other.charCodeAt(at % (other.length || 1));
  return unlike === 0;
}

/** The two nonces of a request, once the node has shown that it has the key. Rejects like `fetch` where none answers. */
async function greet({ name, key }: Session): Promise<[string, string]> {
  const ours = hex(crypto.getRandomValues(new Uint8Array(16)));
  const answer = await fetch(`api/greet?${new URLSearchParams({ key: name, nonce: ours })}`, { cache: "no-store" });
  if (answer.status === 401) throw new Refused("unknown");
  const told: unknown = answer.ok ? await answer.json().catch(() => null) : null;
  const { nonce, proof } = (told ?? {}) as { nonce?: unknown; proof?: unknown };
  if (typeof nonce !== "string" || typeof proof !== "string") throw new Refused("stranger");
  if (!same(proof, await mac(key, "node", ours, nonce))) throw new Refused("stranger");
  return [ours, nonce];
}

/** What shows the node that this page may ask for `what`, a path with its query. */
export async function prove(known: Session, what: string): Promise<string> {
  const nonces = await greet(known);
  return `${known.name}.${nonces[1]}.${await mac(known.key, "page", ...nonces, what)}`;
}

/** Makes a session of a token, which is used up then; it holds as long as this tab and the node do. */
export async function exchange(token: string): Promise<Session> {
  const known = await session(text.encode(token));
  const nonces = await greet(known);
  const proof = `${known.name}.${nonces[1]}.${await mac(known.key, "page", ...nonces, "api/session")}`;
  const answer = await fetch("api/session", { headers: { authorization: `Proof ${proof}` }, cache: "no-store" });
  if (!answer.ok) throw new Refused("unknown");
  const secret = await mac(known.key, "session", ...nonces);
  sessionStorage.setItem(SESSION, secret);
  return session(bytes(secret));
}

/** A token in what a person pasted: the whole address, or the token alone. */
export const tokenIn = (pasted: string): string | null => /(?:^|token=)([0-9a-f]{32})$/.exec(pasted.trim())?.[1] ?? null;

/**
 * The session of the token in the address, or the one that this tab has; `null`: neither. Rejects with [`Refused`] for one
 * that does not hold.
 */
export async function signIn(): Promise<Session | null> {
  localStorage.removeItem(FORMER);
  const token = tokenIn(location.hash);
  if (token) {
    // Out of the address bar, the history and what is copied from there.
    history.replaceState(null, "", location.pathname);
    return exchange(token);
  }
  const kept = sessionStorage.getItem(SESSION);
  if (kept === null) return null;
  const known = await session(bytes(kept));
  await greet(known);
  return known;
}

/** Forgets the session of this tab. */
export const signOut = () => sessionStorage.removeItem(SESSION);
