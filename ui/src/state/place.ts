/** Where in the window a person is. Plain values: the history is a list of them. */

export type ScreenName = "channels" | "publish" | "transfers" | "identities" | "network" | "settings";

export type Place =
  | { screen: "channels"; channel: string | null; item: string | null; file: string | null }
  /** `update` replaces that item; `identity` is chosen beforehand. */
  | { screen: "publish"; update: string | null; identity: string | null }
  | { screen: "transfers" | "identities" | "network" | "settings" };

/** Screens in the order of the sidebar. */
export const SCREENS: readonly ScreenName[] = ["channels", "publish", "transfers", "identities", "network", "settings"];

export const channels = (channel: string | null = null, item: string | null = null, file: string | null = null): Place => ({
  screen: "channels",
  channel,
  item,
  file,
});

export const publish = (identity: string | null = null, update: string | null = null): Place => ({ screen: "publish", update, identity });

/** A screen as the sidebar opens it. */
export function screen(name: ScreenName): Place {
  if (name === "channels") return channels();
  if (name === "publish") return publish();
  return { screen: name };
}

/**
 * Where a screen leads that is opened while it shows already: from an item to its channel. A draft stays as it is, with what
 * it replaces.
 */
export const above = (place: Place): Place => (place.screen === "channels" ? channels(place.channel) : place);

/** Whether two places are the same. */
export const same = (a: Place, b: Place): boolean => JSON.stringify(a) === JSON.stringify(b);
