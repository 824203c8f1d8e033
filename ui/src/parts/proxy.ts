/** Routes as a person names them, and as the node reads them. */

/** An IP address or `localhost`, and a port. */
const ADDRESS = /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\]):(\d{1,5})$/i;

/** Whether this can be a proxy's address; the node has the last word. */
export function isProxyAddress(text: string): boolean {
  const port = Number(ADDRESS.exec(text.trim())?.[1] ?? 0);
  return port > 0 && port < 65_536;
}

/** What stands between `socks5://` and the end, of a route that is told without its login. */
export const proxyAddress = (route: string): string => /^socks5h?:\/\/(.*)$/.exec(route)?.[1] ?? "";

/** The route through it. What the login holds is escaped, so that no sign of it is read as another part. */
export function proxyRoute(address: string, user: string, password: string): string {
  const login = user === "" && password === "" ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return `socks5://${login}${address.trim()}`;
}

/** Whether a route carries a login. */
export const isSecret = (route: string): boolean => route.includes("@");

/** Whether this can be the control port of a running Tor: an IP address and a port, or the path of a socket. */
export const isTorControl = (text: string): boolean => text.trim().startsWith("/") || (isProxyAddress(text) && !/^localhost/i.test(text.trim()));

/** The route through Tor: the one at this control port; where none is named, one that is found, or started. */
export const torRoute = (control: string): string => (control.trim() === "" ? "tor" : `tor://${control.trim()}`);

/** The control port of a route that names one. */
export const torControl = (route: string): string => /^tor:\/\/(?!own$)(.*)$/.exec(route)?.[1] ?? "";
