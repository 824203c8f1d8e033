/** English: the route, its proof, gateways, peers. */
import type { RouteInfo, RouteKind, RouteReason } from "../host/gen/api";
import type { Format } from "./format";

/** A line of the table that says who sees what. */
export interface Seen {
  who: string;
  direct: string;
  proxy: string;
  tor: string;
  both: string;
}

/** What is wrong with a way out; a full stop follows. */
export const enRouteWhy: Record<RouteReason, string> = {
  proxy_refused: "Nothing answers at the proxy's address",
  proxy_unreachable: "The proxy's address cannot be reached",
  proxy_silent: "The proxy takes the connection and says nothing",
  no_socks: "What answers there is no SOCKS5 proxy",
  login_wanted: "The proxy wants a user name and a password",
  login_refused: "The proxy does not take this user name and password",
  no_tor: "No Tor runs here, and none is installed",
  tor_ended: "Tor was started and ended again",
  control_refused: "The Tor that runs here does not let this program in",
  no_circuits: "Tor runs and does not reach its network",
  other: "It cannot be used",
};

export const enNetwork = (f: Format) => {
  const n = f.number;
  const count = (k: number, one: string, other: string) => `${n(k)} ${f.plural(k, one, other)}`;
  const names: Record<RouteKind, string> = { direct: "Direct", proxy: "Proxy", tor: "Tor", both: "Direct and Tor" };

  return {
    route: {
      title: "Route",
      names,
      short: {
        direct: "Fast. Your address is visible.",
        proxy: "Only the proxy sees your address.",
        tor: "Slower. Your address is hidden.",
        both: "A bridge. Your address is visible.",
      } satisfies Record<RouteKind, string> as Record<RouteKind, string>,
      who: "Who sees what",
      inUse: (name: string) => `${name}, in use`,
      chosen: (name: string) => `${name}, chosen`,
      seen: [
        { who: "People in your channels", direct: "Your internet address", proxy: "The proxy's address, not yours", tor: "An onion address, not yours", both: "Your internet address; by Tor an onion address" },
        { who: "Your internet provider", direct: "Whom you talk to, not what about", proxy: "That you use this proxy", tor: "That you use Tor", both: "Whom you talk to, and that you use Tor" },
        { who: "The proxy or relay", direct: "There is none", proxy: "Your address, and whom you talk to", tor: "Never both ends", both: "Never both ends" },
        { who: "The public DHT", direct: "Your address, and blobs you offer", proxy: "Nothing. Gateways speak for you", tor: "Nothing. Gateways speak for you", both: "Your address, and blobs you offer" },
        { who: "The publisher", direct: "The same as any other member", proxy: "The same as any other member", tor: "The same as any other member", both: "The same as any other member" },
        { who: "Speed", direct: "Full", proxy: "The proxy's", tor: "Slower; films start in seconds", both: "Full, and slower by Tor" },
      ] satisfies Seen[] as Seen[],
      /** How the route in use is doing. */
      standing: (route: RouteInfo, listen: string | null, mapped: boolean): string => {
        if (route.state.state === "starting") return route.state.percent > 0 ? `Starting, ${n(route.state.percent)} %` : "Starting";
        if (route.state.state === "down") return "Down";
        if (route.kind === "tor") return route.onions.some((onion) => onion.published) ? "Connected, and reachable by its onion address" : "Connected";
        if (route.kind === "proxy") return `Connected through ${route.route.replace(/^socks5h?:\/\//, "")}`;
        if (listen === null) return "Connected";
        return mapped ? `Listening on port ${listen}, opened by the router` : `Listening on port ${listen}`;
      },
      use: (name: string) => `Use ${name}`,
      useProxy: "Use this proxy",
      changing: "Changing over",
      changed: (name: string) => `The route is ${name} now`,
      change: "Change…",
      /** A reason as a sentence without its full stop. */
      why: (reason: RouteReason): string => enRouteWhy[reason],
      down: (name: string) => `${name} does not answer. Nothing leaves this device.`,
      downText: (why: string) => `${why}. It is tried again by itself; nothing falls back to Direct.`,
      lostDirect: "The network cannot be used",
      lostDirectText: (why: string) => `${why}.`,
      openNetwork: "Show route",
      torNeeds: "Uses a Tor that runs on this computer, or starts one of its own where Tor is installed.",
      torControl: "Control port of a running Tor",
      torControlNone: "This is an IP address and a port, such as 127.0.0.1:9051, or the path of a socket.",
      proxyAddress: "Proxy address",
      proxyUser: "User name",
      proxyPassword: "Password",
      proxyHint: "SOCKS5. Leave name and password empty where none is asked for. They are kept sealed and never shown again.",
      proxyNone: "A proxy is an IP address and a port, such as 127.0.0.1:1080.",
      leaveTitle: (from: RouteKind, to: RouteKind) => `Leave ${names[from]} for ${names[to]}?`,
      leaveText: (to: RouteKind): string =>
        to === "direct"
          ? "From then on people in your channels see your internet address, and your provider sees whom you talk to. Your channels and identities stay the same, so what you did before can be put to you too."
          : "From then on whoever runs the proxy sees your internet address and whom you talk to. Your channels and identities stay the same, so what you did before can be put to you too.",
    },

    leak: {
      title: "Leak test",
      text: "Follows a made-up channel at addresses of every kind, and watches every connection of this program meanwhile.",
      run: "Check for leaks",
      again: "Test again",
      running: (seconds: number) => `Watching for ${n(seconds)} seconds`,
      when: (when: string, route: string) => `${when}, on ${route}`,
      /** What was tested is no longer in use. */
      old: (tested: string, now: string) => `Tested on ${tested}. The route is ${now} now.`,
      before: (route: string) => `Takes ${route} for the test, and comes back to Direct. Meanwhile nothing leaves straight.`,
      beforeGo: "Test before switching",
      notUp: (route: string) => `${route} did not come up, so nothing was tested`,
      backAgain: "The route is Direct again.",
      clean: "Nothing got past the route",
      looks: (looks: number, seconds: number) => `${n(looks)} looks in ${count(seconds, "second", "seconds")}`,
      leaks: "Something went past the route",
      tcp: "TCP past the route",
      udp: "UDP and DHT",
      dns: "Name look-ups",
      open: "Open to others",
      none: "none",
      seen: (k: number) => `${n(k)} seen`,
      through: (hosts: string) => `All of it went by ${hosts}.`,
      throughNone: "Nothing was sent at all.",
    },

    network: {
      title: "Network",
      figures: "How it stands",
      dht: "DHT",
      dhtNodes: (k: number) => `${n(k)} ${f.plural(k, "node", "nodes")} known`,
      dhtOff: "Off",
      dhtAsking: "Asking for nodes",
      dhtAskingText: "the first answer takes a few seconds",
      dhtNone: "No node answers",
      dhtText: "finds channels and sources",
      dhtOffText: "peers and gateways are asked instead",
      dhtNoneText: "A firewall may block UDP. Known peers still work.",
      dhtGateways: (k: number) => `Through ${count(k, "gateway", "gateways")}`,
      dhtNot: "Not used",
      dhtTor: "Tor carries no DHT traffic",
      dhtProxy: "a proxy carries no DHT traffic",
      peers: "Peers",
      peersKinds: (direct: number, onion: number, v5: number) =>
        [direct ? `${n(direct)} direct` : "", onion ? `${n(onion)} onion` : "", v5 ? `${n(v5)} v5` : ""].filter(Boolean).join(" · ") ||
        "none connected",
      reachable: "Reachable as",
      listenNone: "Not reachable",
      listenText: "if it can be reached from outside",
      listenMapped: "opened by the router",
      listenNoneText: "you connect to others; they cannot connect to you",
      onionNone: "each channel gets an onion address of its own",
      onionText: (k: number) => (k === 1 ? "Tor has made it known" : `and ${n(k - 1)} more, one for each channel`),
      onionSoon: "Tor is making it known",
      onionFails: "Tor does not make it known; you call others",
      noInbound: "others cannot call you; you call them",
      proxyIn: "a proxy lets nobody in; you call others",
      announced: "Announced in this round",
      announcedOf: (a: number, b: number) => `${n(a)} of ${count(b, "blob", "blobs")}`,
      announcedNone: "Nothing to announce",
      announcedPeers: "To peers, not the DHT",
      announcedPeersText: (k: number) => `${count(k, "blob", "blobs")}, told when asked`,
      blobs: (k: number) => `${count(k, "blob", "blobs")} held`,
      gateway: "Be a gateway",
      gatewayText: "Put lists on the public DHT for people who cannot. You cannot read what is private.",
      gatewayNeeds: "Put lists on the public DHT for people who cannot. Needs the Direct route with a DHT, so it is off now.",
      on: "On",
      off: "Off",
      gateways: "Gateways for you",
      gatewaysText: "Where there is no DHT, as over Tor, they find lists for you and put yours on the DHT.",
      gatewaysNone: "None named. Links often bring their own.",
      gatewaysField: "Address of a gateway",
      gatewaysAdd: "Add gateway",
      gatewaysRemove: (addr: string) => `Remove ${addr}`,
      gatewaysMany: "Sixteen are the most.",
      peersTitle: "Connected peers",
      addr: "Address",
      kind: "Kind",
      direction: "Direction",
      received: "Received",
      sent: "Sent",
      direct: "Direct",
      onion: "Onion",
      inbound: "came to us",
      outbound: "we called",
      noPeers: "No peer is connected. They come and go with what you follow and share.",
    },
  };
};
