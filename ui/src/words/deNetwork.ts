/** German: the route, its proof, gateways, peers. */
import type { RouteKind } from "../host/gen/api";
import type { enNetwork, enRouteWhy } from "./enNetwork";
import type { Format } from "./format";

/** What is wrong with a way out; a full stop follows. */
export const deRouteWhy: typeof enRouteWhy = {
  proxy_refused: "An der Adresse des Proxys antwortet nichts",
  proxy_unreachable: "Die Adresse des Proxys ist nicht erreichbar",
  proxy_silent: "Der Proxy nimmt die Verbindung an und schweigt",
  no_socks: "Was dort antwortet, ist kein SOCKS5-Proxy",
  login_wanted: "Der Proxy verlangt Benutzername und Passwort",
  login_refused: "Der Proxy nimmt diesen Benutzernamen und dieses Passwort nicht",
  no_tor: "Hier läuft kein Tor, und keines ist installiert",
  tor_ended: "Tor wurde gestartet und hat sich wieder beendet",
  control_refused: "Das Tor, das hier läuft, lässt dieses Programm nicht herein",
  no_circuits: "Tor läuft und erreicht sein Netz nicht",
  other: "Er lässt sich nicht benutzen",
};

export const deNetwork = (f: Format): ReturnType<typeof enNetwork> => {
  const n = f.number;
  const count = (k: number, one: string, other: string) => `${n(k)} ${f.plural(k, one, other)}`;
  const names: Record<RouteKind, string> = { direct: "Direkt", proxy: "Proxy", tor: "Tor", both: "Direkt und Tor" };

  return {
    route: {
      title: "Weg",
      names,
      short: {
        direct: "Schnell. Deine Adresse ist zu sehen.",
        proxy: "Nur der Proxy sieht deine Adresse.",
        tor: "Langsamer. Deine Adresse ist verborgen.",
        both: "Eine Brücke. Deine Adresse ist zu sehen.",
      },
      who: "Wer was sieht",
      inUse: (name) => `${name}, in Gebrauch`,
      chosen: (name) => `${name}, gewählt`,
      seen: [
        { who: "Leute in deinen Kanälen", direct: "Deine Internet-Adresse", proxy: "Die Adresse des Proxys, nicht deine", tor: "Eine Onion-Adresse, nicht deine", both: "Deine Internet-Adresse; über Tor eine Onion-Adresse" },
        { who: "Dein Anbieter", direct: "Mit wem du sprichst, nicht worüber", proxy: "Dass du diesen Proxy benutzt", tor: "Dass du Tor benutzt", both: "Mit wem du sprichst, und dass du Tor benutzt" },
        { who: "Proxy oder Relais", direct: "Gibt es nicht", proxy: "Deine Adresse, und mit wem du sprichst", tor: "Nie beide Enden", both: "Nie beide Enden" },
        { who: "Die öffentliche DHT", direct: "Deine Adresse und Blobs, die du bietest", proxy: "Nichts. Gateways sprechen für dich", tor: "Nichts. Gateways sprechen für dich", both: "Deine Adresse und Blobs, die du bietest" },
        { who: "Der Herausgeber", direct: "Dasselbe wie jeder im Kanal", proxy: "Dasselbe wie jeder im Kanal", tor: "Dasselbe wie jeder im Kanal", both: "Dasselbe wie jeder im Kanal" },
        { who: "Tempo", direct: "Voll", proxy: "Das des Proxys", tor: "Langsamer; Filme beginnen in Sekunden", both: "Voll, und langsamer über Tor" },
      ],
      standing: (route, listen, mapped) => {
        if (route.state.state === "starting") return route.state.percent > 0 ? `Startet, ${n(route.state.percent)} %` : "Startet";
        if (route.state.state === "down") return "Unterbrochen";
        if (route.kind === "tor") return route.onions.some((onion) => onion.published) ? "Verbunden und unter der Onion-Adresse erreichbar" : "Verbunden";
        if (route.kind === "proxy") return `Verbunden durch ${route.route.replace(/^socks5h?:\/\//, "")}`;
        if (listen === null) return "Verbunden";
        return mapped ? `Horcht auf Port ${listen}, vom Router geöffnet` : `Horcht auf Port ${listen}`;
      },
      use: (name) => `${name} benutzen`,
      useProxy: "Diesen Proxy benutzen",
      changing: "Wird gewechselt",
      changed: (name) => `Der Weg ist jetzt ${name}`,
      change: "Ändern …",
      why: (reason) => deRouteWhy[reason],
      down: (name) => `${name} antwortet nicht. Nichts verlässt dieses Gerät.`,
      downText: (why) => `${why}. Es wird von selbst wieder versucht; nichts weicht auf „Direkt“ aus.`,
      lostDirect: "Das Netz lässt sich nicht benutzen",
      lostDirectText: (why) => `${why}.`,
      openNetwork: "Weg zeigen",
      torNeeds: "Nimmt ein Tor, das auf diesem Computer läuft, oder startet ein eigenes, wo Tor installiert ist.",
      torControl: "Steuer-Port eines laufenden Tor",
      torControlNone: "Das ist eine IP-Adresse mit Port, etwa 127.0.0.1:9051, oder der Pfad eines Sockets.",
      proxyAddress: "Adresse des Proxys",
      proxyUser: "Benutzername",
      proxyPassword: "Passwort",
      proxyHint: "SOCKS5. Lass Name und Passwort leer, wo keine verlangt werden. Sie werden versiegelt und nie wieder gezeigt.",
      proxyNone: "Ein Proxy ist eine IP-Adresse mit Port, etwa 127.0.0.1:1080.",
      leaveTitle: (from, to) => `Von ${names[from]} zu ${names[to]} wechseln?`,
      leaveText: (to) =>
        to === "direct"
          ? "Von da an sehen Leute in deinen Kanälen deine Internet-Adresse, und dein Anbieter sieht, mit wem du sprichst. Kanäle und Identitäten bleiben dieselben, also lässt sich auch Früheres dir zuordnen."
          : "Von da an sieht der Betreiber des Proxys deine Internet-Adresse und mit wem du sprichst. Kanäle und Identitäten bleiben dieselben, also lässt sich auch Früheres dir zuordnen.",
    },

    leak: {
      title: "Lecktest",
      text: "Folgt einem erdachten Kanal an Adressen jeder Art und beobachtet dabei jede Verbindung dieses Programms.",
      run: "Auf Lecks prüfen",
      again: "Noch einmal prüfen",
      running: (seconds) => `Beobachtet ${n(seconds)} Sekunden lang`,
      when: (when, route) => `${when}, über ${route}`,
      old: (tested, now) => `Geprüft über ${tested}. Der Weg ist jetzt ${now}.`,
      before: (route) => `Nimmt für die Prüfung ${route} und kommt danach zu Direkt zurück. Bis dahin geht nichts direkt hinaus.`,
      beforeGo: "Vor dem Wechsel prüfen",
      notUp: (route) => `${route} kam nicht zustande, also wurde nichts geprüft`,
      backAgain: "Der Weg ist wieder direkt.",
      clean: "Nichts ging am Weg vorbei",
      looks: (looks, seconds) => `${n(looks)} Blicke in ${count(seconds, "Sekunde", "Sekunden")}`,
      leaks: "Etwas ging am Weg vorbei",
      tcp: "TCP am Weg vorbei",
      udp: "UDP und DHT",
      dns: "Namensauskünfte",
      open: "Offen für andere",
      none: "keine",
      seen: (k) => `${n(k)} gesehen`,
      through: (hosts) => `Alles ging über ${hosts}.`,
      throughNone: "Es wurde gar nichts gesendet.",
    },

    network: {
      title: "Netz",
      figures: "Wie es steht",
      dht: "DHT",
      dhtNodes: (k) => `${n(k)} Knoten bekannt`,
      dhtOff: "Aus",
      dhtAsking: "Knoten werden gefragt",
      dhtAskingText: "die erste Antwort dauert ein paar Sekunden",
      dhtNone: "Kein Knoten antwortet",
      dhtText: "findet Kanäle und Quellen",
      dhtOffText: "stattdessen werden Gegenstellen und Gateways gefragt",
      dhtNoneText: "Vielleicht sperrt eine Firewall UDP. Bekannte Gegenstellen gehen weiter.",
      dhtGateways: (k) => `Durch ${count(k, "Gateway", "Gateways")}`,
      dhtNot: "Nicht benutzt",
      dhtTor: "Tor trägt keine DHT",
      dhtProxy: "ein Proxy trägt keine DHT",
      peers: "Gegenstellen",
      peersKinds: (direct, onion, v5) =>
        [direct ? `${n(direct)} direkt` : "", onion ? `${n(onion)} Onion` : "", v5 ? `${n(v5)} v5` : ""].filter(Boolean).join(" · ") ||
        "keine verbunden",
      reachable: "Erreichbar als",
      listenNone: "Nicht erreichbar",
      listenText: "falls von außen erreichbar",
      listenMapped: "vom Router geöffnet",
      listenNoneText: "du verbindest dich mit anderen; sie sich nicht mit dir",
      onionNone: "jeder Kanal bekommt eine eigene Onion-Adresse",
      onionText: (k) => (k === 1 ? "Tor hat sie bekannt gemacht" : `und ${n(k - 1)} weitere, eine für jeden Kanal`),
      onionSoon: "Tor macht sie bekannt",
      onionFails: "Tor macht sie nicht bekannt; du rufst andere",
      noInbound: "andere können dich nicht rufen; du rufst sie",
      proxyIn: "ein Proxy lässt niemanden herein; du rufst andere",
      announced: "In dieser Runde bekannt gemacht",
      announcedOf: (a, b) => `${n(a)} von ${count(b, "Blob", "Blobs")}`,
      announcedNone: "Nichts bekannt zu machen",
      announcedPeers: "Gegenstellen, nicht der DHT",
      announcedPeersText: (k) => `${count(k, "Blob", "Blobs")}, auf Nachfrage`,
      blobs: (k) => `${count(k, "Blob", "Blobs")} hier`,
      gateway: "Gateway sein",
      gatewayText: "Legt Listen in die öffentliche DHT für Leute, die es nicht können. Privates kannst du nicht lesen.",
      gatewayNeeds: "Legt Listen in die öffentliche DHT für Leute, die es nicht können. Braucht den direkten Weg mit DHT, also ist es jetzt aus.",
      on: "An",
      off: "Aus",
      gateways: "Gateways für dich",
      gatewaysText: "Wo keine DHT ist, wie über Tor, finden sie Listen für dich und legen deine in die DHT.",
      gatewaysNone: "Keine genannt. Links bringen oft eigene mit.",
      gatewaysField: "Adresse eines Gateways",
      gatewaysAdd: "Gateway hinzufügen",
      gatewaysRemove: (addr) => `${addr} entfernen`,
      gatewaysMany: "Mehr als sechzehn gehen nicht.",
      peersTitle: "Verbundene Gegenstellen",
      addr: "Adresse",
      kind: "Art",
      direction: "Richtung",
      received: "Empfangen",
      sent: "Gesendet",
      direct: "Direkt",
      onion: "Onion",
      inbound: "kam zu uns",
      outbound: "von uns gerufen",
      noPeers: "Niemand ist verbunden. Gegenstellen kommen und gehen mit dem, was du verfolgst und teilst.",
    },
  };
};
