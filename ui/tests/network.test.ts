// The Network screen over the mock host: the route and what becomes visible by it, the leak test, gateways.
import { fireEvent, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import { begin, ready, sheet } from "./begin";
import { all, find, one } from "./find";
import { isProxyAddress, isTorControl, proxyAddress, proxyRoute, torControl, torRoute } from "../src/parts/proxy";
import { shortOnion } from "../src/parts/text";

const go = async (name: string) => {
  await ready();
  await fireEvent.click(await find("nav button", new RegExp(`^${name}`)));
};
const radio = (kind: string) => find<HTMLInputElement>(`input[name=route][value=${kind}]`);
const routes = (asked: { method: string }[]) => asked.filter((one) => one.method === "set_settings").map((one) => (one as { params?: { route?: string } }).params?.route);

describe("the route", () => {
  test("hiding more asks nothing: Tor is chosen, then taken, and its way up is told", async () => {
    const { asked } = await begin("world");
    await go("Network");
    await fireEvent.click(await radio("tor"));
    expect(routes(asked)).toEqual([]);
    await find("th", "Tor, chosen");
    await fireEvent.input(await find("input", /^Control port/), { target: { value: "x" } });
    await fireEvent.click(await find("button", "Use Tor"));
    await screen.findByText(/^This is an IP address and a port/);
    await fireEvent.input(await find("input", /^Control port/), { target: { value: "" } });
    await fireEvent.click(await find("button", "Use Tor"));
    await screen.findByText("Connected, and reachable by its onion address");
    expect(routes(asked)).toEqual(["tor"]);
    expect(all(document.body, "dialog")).toEqual([]);
    await find("nav button", "Route: Tor");
    await screen.findByText("Leak test");
  });

  test("showing what was hidden asks first; turned down, nothing changes", async () => {
    const { asked } = await begin("tor");
    await go("Network");
    await fireEvent.click(await radio("direct"));
    await fireEvent.click(await find("button", "Use Direct"));
    const first = await sheet("Leave Tor for Direct?");
    await fireEvent.click(one(first, "button", "Cancel"));
    expect(routes(asked)).toEqual([]);
    await fireEvent.click(await find("form button", "Use Direct"));
    await fireEvent.click(one(await sheet("Leave Tor for Direct?"), "button", "Use Direct"));
    await screen.findByText("Listening on port 51413");
    expect(routes(asked)).toEqual(["direct"]);
  });

  test("a proxy needs an address; its login goes to the node and is never shown again", async () => {
    const { asked } = await begin("world");
    await go("Network");
    await fireEvent.click(await radio("proxy"));
    await fireEvent.click(await find("button", "Use this proxy"));
    await screen.findByText("A proxy is an IP address and a port, such as 127.0.0.1:1080.");
    await fireEvent.input(await find("input", "Proxy address"), { target: { value: "127.0.0.1:9150" } });
    await fireEvent.input(await find("input", /^User name/), { target: { value: "mi@ra" } });
    await fireEvent.input(await find("input", /^Password/), { target: { value: "se:cret/" } });
    await fireEvent.click(await find("button", "Use this proxy"));
    await screen.findByText("Connected through 127.0.0.1:9150");
    expect(routes(asked)).toEqual(["socks5://mi%40ra:se%3Acret%2F@127.0.0.1:9150"]);
    expect(document.body.innerHTML).not.toMatch(/se:cret|se%3Acret|mi@ra|mi%40ra/);
    await fireEvent.click(await find("button", "Change…"));
    expect((await find<HTMLInputElement>("input", "Proxy address")).value).toBe("127.0.0.1:9150");
    expect((await find<HTMLInputElement>("input", /^Password/)).value).toBe("");
  });

  test("lost, it stands above every screen and in the sidebar", async () => {
    await begin("torlost");
    await ready();
    await screen.findByText("Tor does not answer. Nothing leaves this device.");
    await find("nav button", "Tor lost. Nothing leaves this device");
    await fireEvent.click(await find("button", "Show route"));
    await find("h1", "Network");
    await screen.findByText(/The Tor that runs here does not let this program in\. It is tried again by itself/);
    // The node's own words are there for whoever asks.
    expect(one(document.body, "details").textContent).toContain("its control port does not answer");
  });

  test("the address of a proxy", () => {
    for (const good of ["127.0.0.1:1080", "localhost:9050", "[::1]:9150", " 10.0.0.1:1 "]) expect(isProxyAddress(good), good).toBe(true);
    for (const bad of ["", "127.0.0.1", "example.org:1080", "127.0.0.1:0", "127.0.0.1:70000", "socks5://127.0.0.1:1"]) expect(isProxyAddress(bad), bad).toBe(false);
    expect(proxyRoute(" 127.0.0.1:1 ", "", "")).toBe("socks5://127.0.0.1:1");
    expect(proxyAddress("socks5://127.0.0.1:1")).toBe("127.0.0.1:1");
    expect(proxyAddress("tor")).toBe("");
    for (const good of ["127.0.0.1:9051", "/run/tor/control"]) expect(isTorControl(good), good).toBe(true);
    for (const bad of ["localhost:9051", "9051", "x"]) expect(isTorControl(bad), bad).toBe(false);
    expect([torRoute(""), torRoute(" 127.0.0.1:1 ")]).toEqual(["tor", "tor://127.0.0.1:1"]);
    expect([torControl("tor"), torControl("tor://own"), torControl("tor://127.0.0.1:1")]).toEqual(["", "", "127.0.0.1:1"]);
    expect(shortOnion(`abcdef${"m".repeat(46)}wxyz.onion:6881`)).toBe("abcdef…wxyz.onion:6881");
    expect(shortOnion("203.0.113.1:1")).toBe("203.0.113.1:1");
  });
});

test("the leak test runs where there is a route to leave, and tells what it saw", async () => {
  const { asked } = await begin("tor");
  await go("Network");
  await fireEvent.click(await find("button", "Check for leaks"));
  await waitFor(() => one(document.body, ".leak .head", "Nothing got past the route"));
  expect(asked).toContainEqual({ method: "leak", params: { seconds: 8 } });
  await find("button", "Test again");
});

test("on the direct route another one is taken for the test, and left again", async () => {
  const { asked } = await begin("world");
  await go("Network");
  await screen.findByText(/^Takes Tor for the test, and comes back to Direct/);
  await fireEvent.click(await find("button", "Test before switching"));
  await waitFor(() => expect(routes(asked)).toEqual(["tor", "direct"]));
  expect(asked.filter((one) => one.method === "leak")).toHaveLength(1);
  await waitFor(() => one(document.body, ".leak .head", "Nothing got past the route"));
  expect(one(document.body, ".leak header").textContent).toMatch(/, on Tor$/);
  // It proves nothing of the route that is in use now.
  await screen.findByText("Tested on Tor. The route is Direct now.");
  expect(one(document.body, ".leak").classList.contains("old")).toBe(true);
  expect(all(document.body, ".toast", /The route is/)).toEqual([]);
});

test("a test names its route, and turns grey when the route is another", async () => {
  const { host } = await begin("tor");
  await go("Network");
  await fireEvent.click(await find("button", "Check for leaks"));
  await waitFor(() => expect(one(document.body, ".leak header").textContent).toMatch(/, on Tor$/));
  expect(one(document.body, ".leak").classList.contains("old")).toBe(false);
  await host.call({ method: "set_settings", params: { download_dir: null, gateway: null, route: "socks5://10.0.0.1:1080" } });
  await screen.findByText("Tested on Tor. The route is Proxy now.");
  expect(one(document.body, ".leak").classList.contains("old")).toBe(true);
});

test("a route that is not up is not said to be taken, and is amber meanwhile", async () => {
  const { host } = await begin("world");
  host.node_.slow = 3000;
  await go("Network");
  await fireEvent.click(await radio("tor"));
  await fireEvent.click(await find("button", "Use Tor"));
  await find("nav button.starts", /^Tor is starting/);
  expect(all(document.body, ".toast")).toEqual([]);
  host.node_.slow = 5;
  await waitFor(() => one(document.body, ".toast.done b", "The route is Tor now"), { timeout: 10_000 });
  expect(all(document.body, "nav button.starts")).toEqual([]);
});

test("a DHT that was only just joined is being asked; it is silent later", async () => {
  const { host } = await begin("lonely");
  const told = (more: { dht_asking?: boolean }) => {
    const status = { ...host.node_.status };
    delete status.dht_asking;
    host.node_.status = { ...status, ...more };
    host.node_.emit({ event: "status", data: host.node_.status });
  };
  await ready();
  told({ dht_asking: true });
  await go("Network");
  await screen.findByText("Asking for nodes");
  expect(screen.queryByText("No node answers")).toBeNull();
  told({});
  await screen.findByText("No node answers");
});

test("what the leak test finds is shown line by line", async () => {
  const { host } = await begin("tor");
  const call = host.call.bind(host);
  host.call = (request) =>
    request.method === "leak"
      ? Promise.resolve({ kind: "leak", value: { route: "tor", seconds: 8, looks: 9, through: [], elsewhere: ["udp to 192.0.2.1:53", "tcp to 192.0.2.1:6881", "tcp open at 0.0.0.0:1"] } })
      : call(request);
  await go("Network");
  await fireEvent.click(await find("button", "Check for leaks"));
  await waitFor(() => one(document.body, ".leak .head", "Something went past the route"));
  await screen.findByText("tcp to 192.0.2.1:6881");
  expect(all(document.body, ".leak .rows .num", "1 seen")).toHaveLength(3);
});

test("gateways: named, taken away, and being one only where there is a DHT", async () => {
  const { asked } = await begin("world");
  await go("Network");
  await fireEvent.click(await find("input", /^Be a gateway/));
  await waitFor(() => expect(asked.find((one) => one.method === "set_settings")).toMatchObject({ params: { gateway: false } }));
  await waitFor(() => expect(one<HTMLInputElement>(document.body, "#gateway").disabled).toBe(false));
  await fireEvent.input(await find("input", "Address of a gateway"), { target: { value: " gate.example.org:6881 " } });
  await fireEvent.submit((await find("button", "Add gateway")).closest("form") as HTMLFormElement);
  await fireEvent.click(await find("button", "Remove gate.example.org:6881"));
  await screen.findByText("None named. Links often bring their own.");
  expect(asked.filter((one) => one.method === "set_settings").slice(-2)).toMatchObject([{ params: { gateways: ["gate.example.org:6881"] } }, { params: { gateways: [] } }]);
});

test("behind Tor one cannot be a gateway: there is no switch, and it says why", async () => {
  await begin("tor");
  await go("Network");
  await screen.findByText(/Needs the Direct route with a DHT/);
  expect(all(document.body, "#gateway")).toEqual([]);
});
