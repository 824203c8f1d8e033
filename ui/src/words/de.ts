/** German. Its shape is checked against English. */
import type { Cause, Code, RouteInfo } from "../host/gen/api";
import { deCare } from "./deCare";
import { deNetwork, deRouteWhy } from "./deNetwork";
import type { LeftOutKind } from "../parts/leftout";
import type { Format } from "./format";
import type { Sentence, Words } from "./words";

const s = (word: string, rest = ""): Sentence => ({ word, rest });

export const de = (f: Format): Words => {
  const n = f.number;
  const count = (k: number, one: string, other: string) => `${n(k)} ${f.plural(k, one, other)}`;
  const files = (k: number) => count(k, "Datei", "Dateien");
  const lost = (k: number, what: LeftOutKind) =>
    what === "files"
      ? files(k)
      : what === "folders"
        ? count(k, "leerer Ordner", "leere Ordner")
        : count(k, "Datei oder Ordner", "Dateien oder Ordner");
  const items = (k: number) => count(k, "Eintrag", "Einträge");
  const nodes = (k: number) => count(k, "DHT-Knoten", "DHT-Knoten");
  const span = (ms: number): string => {
    const { days, hours, minutes, seconds } = f.span(ms);
    if (days > 0) return hours > 0 ? `${n(days)} T. ${n(hours)} Std.` : `${n(days)} T.`;
    if (hours > 0) return minutes > 0 ? `${n(hours)} Std. ${n(minutes)} Min.` : `${n(hours)} Std.`;
    return minutes > 0 ? `${n(minutes)} Min.` : `${n(seconds)} Sek.`;
  };

  return {
    app: "Megatorrent",
    unknown: "–",
    files,
    items,
    span,
    channels: (k) => count(k, "Kanal", "Kanäle"),
    peers: (k) => count(k, "Gegenstelle", "Gegenstellen"),
    unnamed: "Noch ohne Namen",
    cut: "…",
    ago: (ms) => {
      const { days, hours, minutes } = f.span(ms);
      if (days > 0) return `vor ${n(days)} ${f.plural(days, "Tag", "Tagen")}`;
      if (hours > 0) return `vor ${n(hours)} Std.`;
      return minutes > 0 ? `vor ${n(minutes)} Min.` : "gerade eben";
    },

    nav: {
      label: "Hauptmenü",
      channels: "Kanäle",
      publish: "Veröffentlichen",
      transfers: "Übertragungen",
      identities: "Identitäten",
      network: "Netz",
      settings: "Einstellungen",
      skip: "Zum Inhalt",
    },
    foot: {
      route: ({ kind, state }: RouteInfo): string => {
        const name = { direct: "Direkt", proxy: "Proxy", tor: "Tor", both: "Direkt und Tor" }[kind];
        if (state.state === "starting") return state.percent > 0 ? `${name} startet, ${n(state.percent)} %` : `${name} startet`;
        return state.state === "up" ? `Weg: ${name}` : `${name} verloren. Nichts verlässt dieses Gerät`;
      },
      down: "Ab",
      up: "Auf",
      paused: "Alles ist angehalten",
    },
    act: {
      add: "Hinzufügen",
      back: "Zurück",
      cancel: "Abbrechen",
      close: "Schließen",
      choose: "Wählen …",
      done: "Fertig",
      save: "Speichern",
      share: "Teilen",
      moreFor: (name) => `Mehr zu ${name}`,
      get: "Holen",
      play: "Abspielen",
      pause: "Anhalten",
      resume: "Fortsetzen",
      openFolder: "Im Ordner zeigen",
      retry: "Erneut versuchen",
      quit: "Beenden",
      dismiss: "Ausblenden",
    },

    kinds: {
      private: "Privat",
      public: "Öffentlich",
      privateLong: "Nur wer diesen Link hat, kann ihn lesen",
      publicLong: "Wer den Link hat, kann ihn lesen",
      own: "Deiner",
    },

    state: {
      listed: s("Nicht geholt"),
      new: s("Neu"),
      waiting: s("Wartet:", "bis es an der Reihe ist"),
      fetching: s("Lädt"),
      complete: s("Fertig"),
      completePart: (k, of) => s("Fertig,", `${n(k)} von ${count(of, "Datei", "Dateien")}`),
      begins: "beginnt",
      paused: s("Angehalten"),
      published: s("Veröffentlicht", "von hier"),
      changed: s("Dateien geändert,", "nicht mehr geteilt"),
      left: (ms) => `noch ${span(ms)}`,
      progress: (name) => `Fortschritt von ${name}`,
      readySince: (when) => s("Fertig", `seit ${when}`),
    },
    cause: (cause: Cause): Sentence => {
      switch (cause.cause) {
        case "no_peers_known":
          return cause.asked > 0
            ? s("Wartet:", `noch keine Quelle bekannt. ${count(cause.asked, "Gegenstelle wird", "Gegenstellen werden")} gefragt.`)
            : s("Wartet:", "noch keine Quelle bekannt");
        case "none_online":
          return s("Wartet:", `keine Quelle online, ${n(cause.known)} bekannt`);
        case "only_banned":
          return s("Wartet:", f.plural(cause.known, "die einzige bekannte Quelle schickte falsche Teile", `alle ${n(cause.known)} bekannten Quellen schickten falsche Teile`));
        case "nobody_has_it":
          return s(
            "Wartet:",
            cause.connected === 1 ? "der einzigen Gegenstelle fehlt der Rest auch" : `keine von ${n(cause.connected)} Gegenstellen hat den Rest`,
          );
        case "blob_lookups":
          return cause.refused ? s("Wartet:", "niemand folgt ihm gerade, und seine Teile werden nicht gesucht") : s("Wartet auf dein Wort:", "niemand folgt ihm gerade");
        case "no_manifest":
          return s("Wartet:", "die Liste ist noch nicht gefunden");
        case "dht_unreachable":
          return s("Wartet:", "DHT nicht erreichbar");
        case "tor_starting":
          return s("Wartet:", `Tor ist nicht bereit, ${n(cause.percent)} %`);
        case "tor_down":
          return s("Tor antwortet nicht.", "Nichts verlässt dieses Gerät.");
        case "proxy_down":
          return s("Der Proxy geht nicht.", "Nichts verlässt dieses Gerät.");
        case "no_way_in":
          return s("Wartet:", "dieser Link nennt keinen Weg über Tor");
        case "no_dht":
          return s("Wartet:", "DHT ist aus, niemand bekannt");
        case "unreached":
          return s("Wartet:", `${cause.addr} ist nicht zu erreichen`);
        case "paused":
          return s("Angehalten");
        case "paused_until":
          return s("Angehalten", `bis ${f.until(cause.until)}`);
        case "schedule":
          return cause.until === null ? s("Wartet:", "nach Zeitplan bewegt sich nie etwas") : s("Wartet:", `nach Zeitplan wieder ${f.until(cause.until)}`);
        case "month_used":
          return s("Wartet:", `${f.size(cause.limit)} für diesen Monat sind verbraucht, wieder ${f.until(cause.until)}`);
        case "quota":
          return s("Kein Platz:", `${f.size(cause.used)} von ${f.size(cause.quota)} belegt, ${f.size(cause.needed)} nötig`);
        case "queued":
          return s("In der Schlange");
        case "disk_full":
          return s("Platte voll:", `${f.size(cause.free)} frei, ${f.size(cause.needed)} nötig`);
        case "files_changed":
          return s(f.plural(cause.files, "Datei geändert,", `${n(cause.files)} Dateien geändert,`), "nicht mehr geteilt");
        case "folder_not_writable":
          return s("Ordner nicht beschreibbar:", cause.path);
        case "in_the_way":
          return s("Im Weg und kein Ordner:", cause.path);
        case "died_reading":
          return s("Nicht gelesen:", "Das Programm endete, während es las, woraus dieser Eintrag besteht");
        case "bad_content":
          return s("Daten des Herausgebers sind falsch");
        case "wrong_read_key":
          return s("Der Link passt nicht zum Kanal:", "falscher Leseschlüssel oder keiner");
        case "locked":
          return s("Wartet:", "die Geheimnisse sind verschlossen");
        case "trouble":
          return s("Steht:", "auf diesem Gerät ist etwas im Weg");
      }
    },
    remedy: (cause: Cause): string => {
      switch (cause.cause) {
        case "no_peers_known":
        case "none_online":
        case "nobody_has_it":
          return "Es geht von selbst weiter, sobald jemand mit den fehlenden Teilen online ist.";
        case "only_banned":
          return `Wer falsche Teile schickt, wird eine Weile in Ruhe gelassen: Von den bekannten wird vor ${f.until(cause.until)} keine gefragt. Wer die Teile sonst hat, wird sofort gefragt.`;
        case "blob_lookups":
          return "Das Programm des Herausgebers lässt die Teile dieses privaten Kanals nur an ihren IDs finden. Die sind jeden Tag dieselben: Wer das DHT beobachtet, sieht, dass die Adresse dieses Geräts danach fragt. Erlaube es auf der Seite des Kanals, oder warte auf jemanden, der ihm folgt.";
        case "no_manifest":
          return "Der Herausgeber oder jemand, der dem Kanal folgt, muss einmal online sein. Es wird immer wieder gefragt.";
        case "dht_unreachable":
          return "Bekannte Gegenstellen gehen weiter. Oft sperrt eine Firewall UDP.";
        case "tor_starting":
          return "";
        case "tor_down":
        case "proxy_down":
          return `${deRouteWhy[cause.reason]}. Es wird von selbst wieder versucht.`;
        case "no_way_in":
          return "Bitte um einen Link mit einer Onion-Adresse, oder nenne in den Einstellungen ein Gateway.";
        case "no_dht":
          return cause.listening ? "Es geht weiter, wenn sich jemand verbindet, der dem Kanal folgt." : "Es kann sich auch niemand verbinden. Lass das DHT zu, oder nenne in den Einstellungen ein Gateway.";
        case "unreached":
          return "Es wird von selbst wieder versucht. Sieh nach, ob die Adresse stimmt und ihr Knoten läuft.";
        case "paused":
          return "Setze es fort, wann du magst.";
        case "paused_until":
          return "Es geht von selbst weiter, oder setze es jetzt fort.";
        case "schedule":
          return "Es geht von selbst weiter, wenn der Zeitplan es erlaubt.";
        case "month_used":
          return "Es geht nächsten Monat von selbst weiter, oder erlaube mehr.";
        case "quota":
          return "Entferne etwas oder erlaube mehr.";
        case "queued":
          return "";
        case "disk_full":
          return "Schaffe Platz und setze dann fort.";
        case "files_changed":
          return "Hole sie neu, zeige, wohin sie kamen, oder lass sie, wie sie sind.";
        case "folder_not_writable":
          return "Mach den Ordner wieder beschreibbar oder wähle in den Einstellungen einen anderen.";
        case "in_the_way":
          return "Dort wird ein Ordner gebraucht. Räum weg, was dort liegt, oder gib ihm einen anderen Namen; dann geht es von selbst weiter.";
        case "died_reading":
          return "Hole ihn noch einmal, um es zu versuchen.";
        case "bad_content":
          return "Nur der Herausgeber kann das richten.";
        case "wrong_read_key":
          return "Kündige das Abo und abonniere neu mit dem Link, wie ihn der Herausgeber gab.";
        case "locked":
          return "Öffne den Tresor, dann geht es weiter.";
        case "trouble":
          return "Es wird von selbst wieder versucht.";
      }
    },

    leftOut: (k, what) => `${lost(k, what)} ausgelassen:`,
    leftOutMore: (k) => `und ${n(k)} weitere`,
    leftOutWhy: (why) => {
      switch (why.reason) {
        case "empty":
          return "Ein Teil ihres Pfads hat keinen Namen.";
        case "outside":
          return "Ihr Pfad führt aus dem Ordner des Eintrags hinaus.";
        case "character":
          return `Windows kann keinen Namen mit „${why.character}“ ablegen.`;
        case "invisible":
          return `Ihr Name enthält das Zeichen ${why.code}, das man nicht sieht.`;
        case "device":
          return `Windows behält den Namen „${why.name}“ für ein Gerät.`;
        case "trailing":
          return "Windows kann keinen Namen ablegen, der mit Punkt oder Leerzeichen endet.";
        case "long":
          return `Ihr Name hat ${count(why.bytes, "Byte", "Bytes")}; ${n(why.most)} sind möglich.`;
        case "deep":
          return "Sie liegt zu tief in ihren Ordnern.";
        case "same":
          return "Eine andere Datei heißt auf manchen Systemen ebenso.";
        case "link":
          return "Sie ist ein Verweis auf eine andere Datei.";
        case "no_file":
          return "Das ist keine Datei: eine Pipe, ein Socket oder ein Gerät.";
        case "empty_folder":
          return "Der Ordner ist leer.";
        case "no_text":
          return "Der Name ist kein gültiger Text (UTF-8).";
        case "unreadable":
          return "Das lässt sich nicht lesen.";
        case "secret":
          return "Darin liegen geheime Schlüssel dieses Programms. Sie werden nie veröffentlicht.";
        case "other":
          return "Sie lässt sich nicht überall ablegen.";
      }
    },

    kind: { audio: "Ton", video: "Video", picture: "Bild", text: "Text", archive: "Archiv", file: "Datei" },

    list: {
      none: "Kein Kanal heißt so",
      downloading: (k) => (k === 1 ? "1 lädt" : `${n(k)} laden`),
      updated: (when) => `Neu ${when}`,
      never: "Noch nicht gefunden",
      privatePrefix: "Privat",
      pausedByYou: "Von dir angehalten",
      fresh: (k) => `${n(k)} neu`,
      foot: (k, bytes) => `${count(k, "Kanal", "Kanäle")} · ${bytes} gelistet`,
    },

    begin: {
      title: "Füge einen Kanal-Link ein",
      textBefore: "Jemand gab dir einen Link, der so beginnt:",
      textAfter: "Du siehst, wessen Kanal es ist, bevor etwas geholt wird.",
      field: "Kanal-Link",
      open: "Link öffnen",
      qr: "oder lege ein Bild seines QR-Codes auf dieses Fenster",
      publishBefore: "Hast du etwas zu geben?",
      publish: "Einen Ordner veröffentlichen",
    },

    channel: {
      key: "Schlüssel",
      copyKey: "Schlüssel kopieren",
      about: "Beschreibung",
      updated: (when) => `Neu ${when}`,
      notUpdated: "Noch keine Liste gefunden",
      checked: (when) => `geprüft ${when}`,
      neverChecked: "noch nicht geprüft",
      sources: (k) => count(k, "Quelle", "Quellen"),
      followers: (k) => (k === 0 ? "niemand, der folgt, ist verbunden" : `${count(k, "Folgender", "Folgende")} verbunden`),
      seenBy: (k) => `gesehen von ${nodes(k)}`,
      signed: (when) => `Neueste Liste: ${when}`,
      sequence: (k) => `Neueste Liste: Nummer ${k}`,
      search: (k) => `${items(k)} durchsuchen`,
      item: "Eintrag",
      published: "Datum",
      size: "Größe",
      state: "Stand",
      actions: "Aktionen",
      sortBy: (column) => `Nach ${column} ordnen`,
      foot: (k, here) => `${items(k)} · ${n(here)} auf diesem Gerät`,
      footFound: (k, of) => `${n(k)} von ${count(of, "Eintrag", "Einträgen")}`,
      footUnknown: "Einträge sind noch nicht bekannt",
      footBytes: (bytes) => `${bytes} insgesamt`,
      empty: "Dieser Kanal listet noch nichts.",
      emptyOwn: "Hier hast du noch nichts veröffentlicht.",
      emptyUnknown: "Die Liste ist noch nicht gefunden. Sie erscheint hier, sobald jemand sie zeigt.",
      noMatch: (text) => `Kein Eintrag enthält „${text}“ im Namen.`,
      loading: "Die Liste wird gelesen",
      getAuto: "Von selbst holen:",
      getShort: "Holt",
      lookUp: "Danach suchen",
      rule: { all: "alles", none: "nichts", newest: (k) => (k === 1 ? "den neuesten" : `die neuesten ${n(k)}`) },
      signedTwice: "Zwei verschiedene Listen tragen dieselbe Nummer",
      signedTwiceMore: "Der Schlüssel wird an zwei Orten benutzt, oder jemand anders hat ihn. Frage den Herausgeber, bevor du Neuem traust.",
      pause: "Kanal anhalten",
      resume: "Kanal fortsetzen",
      edit: "Texte ändern …",
      leave: "Nicht mehr folgen …",
      publishHere: "Hier veröffentlichen",
      choose: "Wähle einen Kanal, um zu sehen, was er veröffentlicht.",
    },

    rule: {
      legend: "Von selbst holen",
      none: "Nichts; ich wähle einzeln",
      newestBefore: "Die neuesten",
      newestAfter: "Einträge",
      newestLabel: "Wie viele der neuesten Einträge",
      all: "Alles",
      allSize: (bytes) => `Alles, ${bytes}`,
      set: "So einstellen",
    },

    share: {
      title: (name) => `„${name}“ teilen`,
      text: "Wer diesen Link öffnet, kann dem Kanal folgen.",
      textPrivate: "Dieser Link trägt den Leseschlüssel. Wer ihn hat, kann alles im Kanal lesen, für immer.",
      copy: "Link kopieren",
      copied: "Link kopiert",
      saveQr: "QR sichern",
      saved: "Bild gesichert",
      qr: "QR-Code des Links",
      qrName: "megatorrent-link.png",
      tooLong: "Dieser Link ist zu lang für einen QR-Code.",
      fingerprint: "Fingerabdruck des Schlüssels",
    },

    add: {
      title: "Kanal hinzufügen",
      fromLink: "Über einen Link geöffnet. Diesen Kanal hinzufügen?",
      paste: "Füge den Link ein, den du bekommen hast.",
      field: "Kanal-Link",
      next: "Weiter",
      nameless: "Kanal, noch ohne Namen",
      compare: "Fingerabdruck des Schlüssels. Vergleiche ihn mit dem, was der Absender sagt.",
      nothingSent: "Es wurde noch nichts gesendet.",
      look: "Hineinsehen",
      looking: "Die Liste wird erfragt",
      lookText: "„Hineinsehen“ fragt das Netz nach der Liste und holt keine Datei.",
      list: (k) => `Jetzt: die Liste mit ${count(k, "Eintrag", "Einträgen")}. Noch keine Datei.`,
      listUnknown: "Jetzt: die Liste der Einträge. Noch keine Datei.",
      address: (kind) => {
        if (kind === "tor") return "Andere im Kanal sehen eine Onion-Adresse, nicht die dieses Geräts, denn der Weg ist Tor.";
        if (kind === "proxy") return "Andere im Kanal sehen die Adresse des Proxys, nicht die dieses Geräts.";
        return "Andere im Kanal sehen die Adresse dieses Geräts, denn der Weg ist direkt.";
      },
      giveBack: "Was du hast, teilst du mit anderen, die folgen.",
      lends: (bytes) => `Dazu bis zu ${bytes} an versiegelten Teilen, die du leihst, wenn die Leitung frei ist.`,
      hosts: (hosts, kind) =>
        `Der Link nennt ${hosts}. Dort wird zuerst gefragt${kind === "tor" || kind === "proxy" ? "" : " und deine Adresse gesehen"}.`,
      add: "Kanal hinzufügen",
      knownTitle: "Diesem Kanal folgst du schon",
      ownTitle: "Das ist dein eigener Kanal",
      goThere: "Zum Kanal",
      inside: (k, bytes) => `${items(k)}, ${bytes}`,
      newestItems: "Neueste Einträge",
      added: (name) => (name ? `„${name}“ hinzugefügt` : "Hinzugefügt. Der Name des Kanals kommt mit seiner Liste."),
      noQr: "In diesem Bild ist kein Code mit einem Kanal-Link",
      noQrText: "Stattdessen lässt es sich veröffentlichen.",
      publishPicture: "Bild veröffentlichen",
      cutOff: (have) => `Dieser Link ist abgeschnitten: ${n(have)} von 64 Zeichen des Schlüssels.`,
      notLink: "Ein Kanal-Link beginnt mit megatorrent:// und einem Schlüssel aus 64 Zeichen.",
    },

    item: {
      files: "Dateien in diesem Eintrag",
      file: "Datei",
      here: "Hier",
      about: "Beschreibung",
      facts: "Angaben",
      publishedOn: (day) => `veröffentlicht ${day}`,
      where: "Auf der Platte",
      peers: "Gegenstellen des Kanals",
      have: "Hier",
      rate: "Tempo",
      id: "Kennung",
      fileReady: "Fertig",
      filePart: (percent) => `${percent} hier`,
      fileNone: "Nicht hier",
      filePlaying: (percent) => `Spielt, ${percent}`,
      open: "Öffnen",
      save: "Speichern",
      playOutside: "In anderem Programm abspielen",
      preview: (name) => `Bild: ${name}`,
      noFiles: "Die Dateien sind bekannt, sobald die Liste dieses Eintrags hier ist.",
      verify: "Dateien prüfen",
      verifying: "Dateien werden geprüft",
      verifiedGood: (good) => `Alle ${count(good, "Blob", "Blobs")} stimmen`,
      verifiedBad: (bad, good) => `${count(bad, "Blob fehlt", "Blobs fehlen")} oder ist anders, ${n(good)} stimmen`,
      locate: "Dateien verschoben? Zeigen …",
      located: "Gefunden. Die Dateien werden wieder geteilt.",
      getTo: "In anderen Ordner holen …",
      remove: "Von diesem Gerät entfernen …",
      unpublish: "Aus dem Kanal nehmen …",
      update: "Neue Fassung veröffentlichen …",
      edit: "Texte ändern …",
      files1: "Dateien",
    },

    player: {
      label: (name) => `Wiedergabe: ${name}`,
      seek: "Stelle",
      play: "Abspielen",
      pause: "Anhalten",
      rewind: "10 Sekunden zurück",
      mute: "Ton aus",
      unmute: "Ton an",
      volume: "Lautstärke",
      speed: (rate) => `Tempo ${rate}`,
      speedShort: (rate) => `${rate}×`,
      pip: "Kleines Fenster",
      fullscreen: "Vollbild",
      leaveFullscreen: "Vollbild verlassen",
      of: (at, all) => `${at} von ${all}`,
      whileDownloading: "Spielt, während es lädt",
      ahead: (time) => `Spielt, während es lädt: ${time} voraus`,
      first: "Die nächsten Minuten kommen zuerst.",
      here: (percent) => `${percent} sind hier.`,
      rest: (rate, left) => `Der Rest folgt mit ${rate}, etwa ${left}.`,
      restComes: "Der Rest ist unterwegs.",
      restSlow: "Der Rest wartet auf jemanden, der ihn hat.",
      all: "Alles davon ist auf diesem Gerät.",
      waiting: "Diese Stelle wird geholt",
      loading: "Der erste Teil wird geladen",
      cannot: "Dieses Programm kann sie hier nicht abspielen",
      cannotHere: "Alles davon ist auf diesem Gerät. Dem System fehlt ein Decoder dafür, oder die Datei ist beschädigt.",
      cannotText: "Dem System fehlt ein Decoder dafür, oder der Anfang ist noch nicht hier.",
      close: "Wiedergabe schließen",
    },

    publish: {
      title: "Veröffentlichen",
      drop: "Dateien oder einen Ordner hier ablegen",
      choose: "Dateien oder einen Ordner wählen",
      dropMore: "Weitere Dateien oder Ordner hier ablegen",
      dropText: "Sie werden gelesen, wo sie liegen, nicht kopiert.",
      dropNow: "Loslassen, um zu veröffentlichen",
      files: "Dateien …",
      folder: "Ordner …",
      remove: (name) => `${name} auslassen`,
      atLeast: (text) => `über ${text}`,
      moreEntries: (k) => `und ${n(k)} weitere`,
      itemTitle: "Titel",
      titleHint: "Was Folgende in der Liste sehen",
      about: "Beschreibung",
      optional: "nicht nötig",
      as: "Veröffentlichen als",
      newIdentity: "Neue Identität …",
      newName: "Name des Kanals",
      newNameHint: "Folgende sehen ihn. Du kannst ihn später ändern.",
      who: "Wer es lesen kann",
      everyone: "Alle",
      withLink: "Mit dem Link",
      everyoneText: "Offen gelistet: Wer den Link hat oder den Schlüssel findet, kann es lesen.",
      withLinkText: "Versiegelt mit einem Leseschlüssel, den nur der Link trägt. Das lässt sich später nicht umkehren.",
      fixedPublic: "Dieser Kanal ist schon öffentlich.",
      fixedPrivate: "Dieser Kanal ist schon privat.",
      go: "Veröffentlichen",
      goUpdate: "Neue Fassung veröffentlichen",
      updating: (name) => `Neue Fassung von „${name}“. Kopien auf anderen Platten bleiben.`,
      asNew: "Als neuen Eintrag veröffentlichen",
      willLeaveOut: (k, what) => `${lost(k, what)} ${k === 1 ? "bleibt" : "bleiben"} weg.`,
      renameFirst: (k, all) =>
        all
          ? `Benenne sie vorher um, dann ${k === 1 ? "kommt" : "kommen"} sie mit.`
          : "Was einen Namen hat, der sich nicht speichern lässt, kommt mit, sobald es umbenannt ist.",
      busy: "Eine Veröffentlichung läuft noch",
      busyText: "Füge Weiteres hinzu, wenn sie fertig ist.",
      another: "Noch etwas veröffentlichen",
      needFiles: "Wähle zuerst, was veröffentlicht wird.",
      needName: "Der Kanal braucht einen Namen.",
      running: "Wird veröffentlicht",
      finished: "Veröffentlicht",
      failed: "Nicht veröffentlicht",
      runningText: "Du kannst diese Seite verlassen; es geht weiter.",
      read: "Gelesen",
      readText: (k) => `${files(k)}, jedes Byte einmal`,
      readNow: "Liest und zählt",
      sealed: "Versiegelt",
      sealedText: (k) => `${count(k, "Blob", "Blobs")}, verschlüsselt und gehasht`,
      sealNow: "Verschlüsselt und hasht",
      announced: "Bekannt gemacht",
      announcedText: "Ist zu finden; der Rest folgt der Reihe nach",
      announcedDone: "Seine Teile sind zu finden",
      announceNow: "Sagt der DHT, wo die Teile liegen",
      seen: (k) => `Gesehen von ${nodes(k)}`,
      seenNone: "Noch nicht verteilt",
      seenNoneText: "Niemand ist verbunden. Sie geht an den Ersten, der fragt, und in die DHT, wo eine ist.",
      announcedNone: "Es gibt keine DHT dafür. Gegenstellen fragen danach.",
      seenGateways: (k) => `An ${count(k, "Gateway", "Gateways")} übergeben`,
      seenPeers: (k) => `Sofort an ${count(k, "Gegenstelle", "Gegenstellen")} übergeben`,
      seenNow: "Legt die Liste in die DHT",
      seenStep: "Liste verteilt",
      nOf: (a, b) => `${n(a)} von ${n(b)}`,
      waiting: "Kommt danach",
      linkReady: "Der Link ist da",
      linkSoon: "Du kannst ihn schon weitergeben. Er öffnet sich, sobald die Liste draußen ist.",
      linkText: "Wer ihn öffnet, folgt dem Kanal. Lass dieses Gerät an, bis jemand anders alles hat.",
      linkTextPrivate: "Er trägt den Leseschlüssel: Wer ihn hat, kann alles lesen. Lass dieses Gerät an, bis jemand anders alles hat.",
      showChannel: "Zum Kanal",
    },

    transfers: {
      title: "Übertragungen",
      resumeAll: "Alles fortsetzen",
      pausedNote: "Alles ist angehalten",
      pausedText: "Nichts wird geholt und nichts gegeben, bis du fortsetzt.",
      moving: "In Bewegung",
      still: "Steht",
      done: "Fertig",
      item: "Eintrag",
      state: "Stand",
      down: "Ab",
      peers: "Gegenst.",
      left: "Noch",
      emptyTitle: "Nichts bewegt sich",
      emptyText: "Was du aus einem Kanal holst, steht hier, mit Tempo, und mit dem Grund, wenn es steht.",
      emptyAct: "Zu den Kanälen",
      foot: (down, up) => `Seit dem Start: ${down} ab, ${up} auf`,
      ratio: (percent) => `Zurückgegeben: ${percent} von dem, was kam`,
    },

    graph: {
      label: (down, up) => `Tempo der letzten 5 Minuten. Jetzt ${down} ab, ${up} auf.`,
      from: "vor 5 Min.",
      now: "jetzt",
      last: "Letzte 5 Minuten",
    },

    identities: {
      title: "Identitäten",
      text: "Eine Identität ist der Schlüssel, mit dem du veröffentlichst. Wer ihn hat, ist der Kanal. Darum bleibt er im Schlüsselbund dieses Computers und verlässt ihn nur als verschlüsselte Sicherung.",
      textVault: "Eine Identität ist der Schlüssel, mit dem du veröffentlichst. Wer ihn hat, ist der Kanal. Darum bleibt er in einem verschlüsselten Tresor auf diesem Computer und verlässt ihn nur als verschlüsselte Sicherung.",
      create: "Neue Identität",
      identity: "Identität",
      key: "Schlüssel",
      kept: "Liegt im",
      keyring: "Schlüsselbund",
      vault: "Tresor",
      nothingYet: "Noch nichts veröffentlicht",
      made: (day) => `gemacht ${day}`,
      link: "Link",
      backUp: "Sichern",
      rename: "Umbenennen …",
      emptyTitle: "Noch keine Identität",
      emptyText: "Zum Veröffentlichen brauchst du eine, zum Folgen nicht. Sie entsteht beim ersten Veröffentlichen oder hier.",
      createTitle: "Neue Identität",
      createText: "Der Name ist für dich und für den Kanal, der mit ihr beginnt.",
      name: "Name",
      createGo: "Identität machen",
      made1: (name) => `„${name}“ ist da. Sichere sie: Niemand kann sie für dich zurücksetzen.`,
      renameTitle: (name) => `„${name}“ umbenennen`,
      renameText: "Nur der Name auf diesem Computer ändert sich.",
      renamed: "Umbenannt",
      backUpTitle: "In eine Datei sichern",
      backUpText: "Eine verschlüsselte Datei für eine Identität. Ohne Passphrase nützt sie weder einem Dieb noch dir.",
      passphrase: "Passphrase",
      passphraseAgain: "Passphrase noch einmal",
      showPass: "Passphrase zeigen",
      hidePass: "Passphrase verbergen",
      short: (k) => `Mindestens ${n(k)} Zeichen.`,
      strong: "Stark genug",
      weak: "Kurz. Vier oder mehr Wörter sind sicherer.",
      differ: "Die beiden sind verschieden.",
      saveBackup: "Sicherung speichern …",
      backedUp: (file) => `Gespeichert in ${file}`,
      restoreTitle: "Aus einer Datei zurückholen",
      restoreBefore: "Lege eine Sicherung hier ab, oder eine",
      restoreAfter: "aus Version 5. Ihre Kanäle gehen weiter, wo sie waren.",
      drop: "Sicherung ablegen",
      or: "oder",
      chooseIt: "auswählen",
      restorePass: "Passphrase der Sicherung",
      restorePassHint: "Bei einer identity.json leer lassen.",
      restoreGo: "Zurückholen",
      restored: (name) => `„${name}“ ist wieder da`,
      restoreName: "Name auf diesem Computer",
    },

    ...deNetwork(f),
    ...deCare(f),

    settings: {
      title: "Einstellungen",
      storage: "Speicher",
      folder: "Download-Ordner",
      folderText: "Neues kommt dorthin, als gewöhnliche Dateien. Was schon da ist, bleibt, wo es ist.",
      change: "Ändern …",
      window: "Fenster",
      tray: "Im Infobereich weiterlaufen, wenn das Fenster zu ist",
      trayText: "„Beenden“ im Menü des Infobereichs oder Strg+Q hält es an.",
      autostart: "Mit dem Computer starten, im Infobereich",
      autostartPlain: "Mit dem Computer starten, verkleinert",
      autostartText: "Kanäle bleiben aktuell, und du gibst zurück, während du anderes tust.",
      looks: "Sprache und Aussehen",
      language: "Sprache",
      system: "Wie das System",
      theme: "Aussehen",
      light: "Hell",
      dark: "Dunkel",
      secrets: "Geheimnisse",
      secretsKeyring: "Im Schlüsselbund dieses Computers",
      secretsVault: "In einem Tresor mit Passphrase; offen",
      secretsLocked: "In einem Tresor, der verschlossen ist",
      secretsRing: "Im Schlüsselbund dieses Computers, der verschlossen ist",
      secretsRingUnused: "Der Schlüsselbund dieses Computers ist verschlossen. Öffne ihn, oder lege einen Tresor mit Passphrase an.",
      secretsOther: "Der Schlüssel zu ihnen fehlt: Schlüsselbund oder Tresor ist ein anderer als zuvor.",
      secretsNone: "Hier gibt es keinen Schlüsselbund. Ein Tresor mit Passphrase entsteht, wenn du ihn zuerst brauchst.",
      unlock: "Öffnen …",
      keys: "Tastatur",
      keysShow: "Kürzel zeigen",
      program: "Programm",
      saved: "Gespeichert",
      dataDir: "Datenordner",
      version: "Version",
    },

    unlock: {
      title: "Tresor öffnen",
      text: "Die Geheimnisse deiner Identitäten liegen in einem Tresor auf diesem Computer. Seine Passphrase öffnet ihn.",
      makeTitle: "Tresor anlegen",
      makeText: "Auf diesem Computer gibt es keinen Schlüsselbund für das Geheimnis einer Identität. Stattdessen versiegelt es eine Passphrase in einem Tresor. Niemand kann sie für dich zurücksetzen.",
      passphrase: "Passphrase",
      go: "Öffnen",
      make: "Tresor anlegen",
      note: "Der Tresor ist verschlossen",
      noteText: "Folgen und Holen gehen weiter. Veröffentlichen und private Kanäle warten auf seine Passphrase.",
      opened: "Offen",
      ringTitle: "Der Schlüsselbund ist verschlossen",
      ringText: "Die Geheimnisse deiner Identitäten liegen im Schlüsselbund dieses Computers, und der ist verschlossen. Öffne ihn dort, wo du seine Passwörter verwaltest, oder melde dich neu an; dann versuche es noch einmal.",
      ringUnusedText: "Dieser Computer hat einen Schlüsselbund, und der ist verschlossen. Öffne ihn und versuche es noch einmal; oder lass einen Tresor mit Passphrase die Geheimnisse behalten. Niemand kann die Passphrase für dich zurücksetzen.",
      ringStill: "Der Schlüsselbund ist noch verschlossen",
      ringRetry: "Schlüsselbund versuchen",
      ringAsking: "Der Schlüsselbund wird gefragt",
      ringNote: "Der Schlüsselbund ist verschlossen",
      ringNoteText: "Folgen und Holen gehen weiter. Veröffentlichen und private Kanäle warten, bis er offen ist.",
    },

    giveUp: {
      ask: "Ohne sie weitermachen …",
      title: "Ohne die alten Geheimnisse weitermachen",
      text: "Nur, wenn der alte Schlüsselbund oder die Passphrase endgültig fort ist. Aufgegeben wird, was nur damit aufging:",
      identities: (k: number) => f.plural(k, "Identität:", "Identitäten:"),
      identitiesBack: "Eine Sicherung bringt jede zurück; ohne sie ist sie verloren.",
      closed: (k: number) => f.plural(k, "Privater Kanal:", "Private Kanäle:"),
      closedBack: "Der Link mit dem Schlüssel öffnet jeden wieder.",
      others: "Das Passwort eines Proxys, Onion-Adressen und bekannte Gegenstellen, soweit es sie gab.",
      stays: "Downloads, Kanäle, Listen und geteilte Dateien bleiben, wie sie sind.",
      go: "Aufgeben",
      done: "Dieses Gerät hat neue Geheimnisse. Hole Identitäten aus ihren Sicherungen zurück.",
      note: "Der Schlüssel zu den Geheimnissen dieses Ordners fehlt",
      noteText: "Folgen und Holen gehen weiter. Veröffentlichen und private Kanäle warten, bis der alte Schlüsselbund oder Tresor zurück ist.",
    },

    first: {
      step1: "Was das ist",
      step2: "Weg",
      step3: "Ordner und Platz",
      title1: "Link folgen. Dateien behalten.",
      lead1: "Megatorrent bringt dir, was Kanäle veröffentlichen, geradewegs von denen, die es schon haben.",
      p1: "Du folgst Kanälen",
      p1Text: "Ein Kanal ist ein Schlüssel, ein Link öffnet ihn. Was veröffentlicht wird, kommt als gewöhnliche Dateien an.",
      p2: "Menschen geben es weiter",
      p2Text: "Es gibt kein Konto und keinen Server. Du gibst zurück, was du nahmst.",
      p3: "Unterwegs ist es versiegelt",
      p3Text: "Wer es trägt, kann es nicht lesen. Jedes Stück wird geprüft, bevor du es siehst.",
      foot1: "Dauert etwa eine Minute. Alles lässt sich später ändern.",
      nextRoute: "Weg wählen",
      titleRoute: "Wie soll es andere erreichen?",
      leadRoute: "Die Dateien sind dieselben. Verschieden ist, wer deine Adresse sieht.",
      members: "Mitglieder sehen",
      provider: "Dein Anbieter sieht",
      speed: "Tempo",
      sees: {
        direct: { members: "deine Internet-Adresse", provider: "mit wem du sprichst, nicht worüber", speed: "voll" },
        proxy: { members: "die Adresse des Proxys, nicht deine", provider: "dass du diesen Proxy benutzt, der den Rest sieht", speed: "das des Proxys" },
        tor: { members: "eine Onion-Adresse, nicht deine", provider: "dass du Tor benutzt", speed: "langsamer; Filme beginnen in Sekunden" },
      },
      proxyInstead: "Stattdessen einen SOCKS5-Proxy benutzen",
      footTor: "Ist Tor verloren, verlässt nichts dieses Gerät, bis es wieder da ist.",
      next1: "Ordner wählen",
      title2: "Wo dürfen die Dateien liegen?",
      lead2: "Fertiges liegt als gewöhnliche Dateien in diesem Ordner. Die Grenze wird vor jedem Schreiben geprüft.",
      folder: "Ordner",
      tray: "Weiterlaufen, wenn das Fenster zu ist",
      trayText: "Es bleibt im Infobereich und gibt zurück. „Beenden“ hält es an.",
      autostart: "Mit dem Computer starten, im Infobereich",
      autostartPlain: "Mit dem Computer starten, verkleinert",
      noTray: "Hier gibt es keinen Infobereich. Das Fenster zu schließen beendet das Programm, nach einer Frage.",
      autostartText: "Kanäle bleiben aktuell, während du anderes tust.",
      lend: (bytes) => `Bis zu ${bytes} davon anderen leihen`,
      lendText: (all, each) =>
        `Hält seltene Teile deiner Kanäle am Leben, versiegelt. Dafür wird bei freier Leitung bis zu ${each} aus jedem Kanal geladen, dem du folgst, insgesamt ${all}, neben dem, was du selbst holst.`,
      start: "Los",
      steps: "Schritte",
      stepOf: (a, b) => `Schritt ${n(a)} von ${n(b)}`,
    },

    web: {
      title: "Bei diesem Knoten anmelden",
      text: "Öffne die Adresse, die dieser Befehl ausgibt, oder füge sie hier ein (gibt er keine aus, steht das Token in der Datei web-token im Datenordner des Knotens):",
      label: "Adresse oder Token",
      enter: "Anmelden",
      noToken: "Darin steht kein Token. Es sind 32 Ziffern und Buchstaben nach „token=“.",
      problem: {
        unknown: "Der Knoten nimmt dieses Token nicht an. Jedes gilt für eine Anmeldung: nimm das neueste.",
        stranger: "Was unter dieser Adresse antwortet, ist nicht dein Knoten. Ihm wurde nichts gesagt; melde dich hier nicht an.",
        insecure: "Über eine solche Leitung beweisen Browser nichts. Komm über https oder durch einen Tunnel zu diesem Rechner.",
        ended: "Der Knoten wurde neu gestartet. Melde dich mit dem Token an, das er jetzt hat.",
      },
      gone: "Der Knoten antwortet nicht",
      goneText: "Er läuft nicht mehr, oder der Weg zu ihm ist unterbrochen. Alle paar Sekunden wird es wieder versucht.",
    },

    pick: {
      title: "Auf dem Rechner des Knotens auswählen",
      where: "Die Ordner des Rechners, auf dem Megatorrent läuft",
      up: "Nach oben",
      path: "Ordner",
      empty: "Dieser Ordner ist leer",
      more: "Es gibt mehr, als gezeigt wird. Gib den Pfad des Ordners ein.",
      name: "Dateiname",
      choose: "Auswählen",
      thisFolder: "Diesen Ordner nehmen",
      save: "Hier speichern",
    },

    failed: {
      title: "Megatorrent kann nicht starten",
      page: "Diese Seite lässt sich nicht zeigen",
      starting: "Startet",
      stopping: "Sichert, was hier ist, und beendet dann",
      detail: "Genauer",
      rebuild: "Neu aufbauen",
      rebuilt: "Die Datenbank ist neu aufgebaut",
      rebuiltText: (replanned, unshared, kept) =>
        [
          replanned > 0 ? `${count(replanned, "Download wird", "Downloads werden")} neu geplant; was dort liegt, wird erkannt.` : "",
          unshared > 0 ? `${count(unshared, "veröffentlichter Eintrag wird", "veröffentlichte Einträge werden")} nicht mehr geteilt: veröffentliche die Dateien noch einmal als neue Fassung.` : "",
          `Die beschädigte bleibt erhalten: ${kept}`,
        ].filter(Boolean).join(" "),
      sound: "Die Datenbank ist in Ordnung. Nichts wurde geändert",
    },

    confirm: {
      leaveTitle: (name) => `„${name}“ nicht mehr folgen?`,
      leaveText: "Neues kommt nicht mehr an, und du gibst nicht mehr zurück, was er veröffentlichte.",
      leaveFiles: "Auch seine Dateien von diesem Computer löschen",
      leaveGo: "Nicht mehr folgen",
      removeTitle: (name) => `„${name}“ von diesem Gerät entfernen?`,
      removeText: "Es bleibt in der Liste des Kanals; du kannst es wieder holen, solange jemand es hat.",
      removeFiles: "Auch die Dateien löschen",
      removeGo: "Entfernen",
      unpublishTitle: (name) => `„${name}“ aus dem Kanal nehmen?`,
      unpublishText: "Folgende sehen es nicht mehr in der Liste. Ihre Kopien bleiben bei ihnen, deine Dateien hier.",
      unpublishGo: "Herausnehmen",
      quitTitle: "Megatorrent beenden?",
      quitText: "Downloads halten an, und niemand kann etwas von diesem Computer holen, bis es wieder läuft.",
      quitGo: "Beenden",
    },

    edit: {
      channelTitle: "Texte des Kanals ändern",
      itemTitle: "Texte des Eintrags ändern",
      text: "Folgende sehen die Änderung mit der nächsten Liste.",
      name: "Name",
      itemName: "Titel",
      about: "Beschreibung",
      saved: "Die neuen Texte sind unterwegs",
    },

    toast: {
      ready: (name) => `„${name}“ ist fertig`,
      readyPart: (name, k, of) => `„${name}“: ${n(k)} von ${count(of, "Datei", "Dateien")} fertig`,
      readyMany: (k, channel) => `${items(k)} aus „${channel}“ ${k === 1 ? "ist" : "sind"} fertig`,
      paused: "Angehalten",
      resumed: "Geht weiter",
      removed: "Entfernt",
      kept: (k, one) => (k === 1 ? `${one} bleibt: hier geändert, schon vorher da oder von hier geteilt` : `${n(k)} Dateien bleiben, darunter ${one}: hier geändert, schon vorher da oder von hier geteilt`),
      left: (name) => `Du folgst „${name}“ nicht mehr`,
      unpublished: "Aus dem Kanal genommen",
      copied: "Kopiert",
      settingsLost: "Die Einstellungen des Fensters waren beschädigt",
      settingsLostMore: "Sie beginnen von vorn. Die alten liegen daneben.",
      label: "Meldungen",
    },

    outside: {
      title: "Dieses Programm benutzt deinen Weg nicht",
      text: (route) => `Dateien können Adressen enthalten, und ein anderes Programm holt sie auf direktem Weg: wer die Datei gemacht hat, sieht dann deine Internet-Adresse, obwohl der Weg ${route} ist.`,
      go: "Trotzdem öffnen",
      remember: (kind) => `Bei ${kind}-Dateien nicht mehr fragen`,
      shown: (name) => `„${name}“ wird von hier aus nicht geöffnet. Stattdessen zeigt sich der Ordner.`,
    },

    keys: {
      title: "Tastenkürzel",
      screens: "Zu den Seiten der Leiste, in ihrer Reihenfolge",
      find: "Kanal oder Eintrag suchen",
      search: "In der Liste suchen",
      add: "Kanal hinzufügen",
      publish: "Veröffentlichen",
      back: "Meldung ausblenden, Suche leeren, Eintrag verlassen",
      rows: "In einer Liste bewegen",
      open: "Gewähltes öffnen",
      pauseAll: "Alles anhalten oder fortsetzen",
      player: "In der Wiedergabe: abspielen, springen, Ton, Vollbild",
      settings: "Einstellungen",
      quit: "Beenden",
      help: "Diese Liste",
      ctrl: "Strg",
      arrows: "Pfeiltasten",
      enter: "Eingabe",
      space: "Leertaste",
      esc: "Esc",
    },

    errors: {
      bad_link: ["Das ist kein Kanal-Link", "Ein Link beginnt mit megatorrent:// und einem Schlüssel aus 64 Zeichen. Kopiere ihn noch einmal, ganz."],
      other_read_key: ["Diesem Kanal folgst du mit einem anderen Leseschlüssel", "Einer der beiden Links ist veraltet. Frage den Absender, welcher gilt."],
      wrong_read_key: ["Der Leseschlüssel öffnet diesen Kanal nicht", "Der Link ist unvollständig, oder der Schlüssel wurde gewechselt. Bitte um einen neuen Link."],
      not_found: ["Nicht gefunden", "Es steht nicht mehr in der Liste, oder die Liste ist noch nicht da."],
      ambiguous: ["Das passt auf mehreres", "Nimm den ganzen Schlüssel oder den ganzen Namen."],
      exists: ["Diesen Namen gibt es schon", "Wähle einen anderen."],
      bad_argument: ["Das passt nicht zusammen", "Ändere die Angaben und versuche es noch einmal."],
      kind_mismatch: ["Dieser Kanal ist von der anderen Art", "Ein Kanal ist vom ersten Eintrag an öffentlich oder privat. Wähle eine andere Identität."],
      not_own: ["Nur der Herausgeber kann das ändern", "Es ist keine deiner Identitäten."],
      io: ["Eine Datei ließ sich nicht lesen oder schreiben", "Sieh nach, ob die Platte da ist und der Ordner benutzt werden darf."],
      disk_full: ["Die Platte ist voll", "Schaffe Platz und versuche es dann noch einmal. Was schon hier ist, ist sicher."],
      quota: ["Das Kontingent hat keinen Platz mehr", "Entferne etwas oder erlaube mehr. Was schon hier ist, ist sicher."],
      source_changed: ["Eine Datei änderte sich beim Lesen", "Schließe das Programm, das in sie schreibt, und veröffentliche dann noch einmal."],
      secrets: ["Die Geheimnisse sind nicht erreichbar", "Der Schlüsselbund ist verschlossen oder fehlt. Ein Tresor mit Passphrase geht auch."],
      other_key: ["Der Schlüssel zu den Geheimnissen dieses Ordners fehlt", "Schlüsselbund oder Tresor ist ein anderer als zuvor. Was versiegelt ist, bleibt und geht wieder auf, sobald der alte zurück ist. Ist er endgültig fort, geht es in den Einstellungen ohne ihn weiter."],
      wrong_passphrase: ["Die Passphrase passt nicht", "Groß und klein zählt. Nichts wurde geändert."],
      ask_first: ["Das braucht dein Wort", "Es zeigt anderen etwas, das sie jetzt nicht sehen. Erlaube es, oder lass es."],
      not_published: ["Niemand nahm die Liste an", "Kein DHT-Knoten und kein Gateway antwortete. Deine Dateien sind versiegelt und geteilt; versuche es wieder, wenn das Netz da ist."],
      timed_out: ["Keine Antwort in der Zeit", "Niemand, der online ist, zeigte es. Später noch einmal hilft oft."],
      cancelled: ["Abgebrochen", "Nichts wurde geändert."],
      busy: ["Ein anderes Megatorrent benutzt diesen Datenordner", "Schließe das andere und versuche es dann noch einmal."],
      port_taken: ["Der Port ist belegt", "Ein anderes Programm horcht dort. Schließe es und versuche es dann noch einmal."],
      corrupt: ["Der Datenordner ist beschädigt", "Deine Dateien sind unberührt. Seine Datenbank lässt sich aus dem, was lesbar ist, neu aufbauen; die beschädigte bleibt erhalten."],
      not_writable: ["Dort lässt sich nichts schreiben", "Wähle einen anderen Ordner, oder lass dieses Konto dort schreiben."],
      open_to_others: ["Andere Konten kommen in den Datenordner", "Verschließe ihn ihnen, oder nenne einen anderen Ordner; wie, steht unter „Genauer“. Nichts wurde gelesen oder geschrieben."],
      newer_data: ["Ein neueres Megatorrent schrieb diesen Datenordner", "Starte das neuere oder erneuere dieses. Nichts wurde geändert."],
      incomplete: ["Teile davon fehlen", "Sie werden von selbst wieder geholt, sobald jemand sie hat."],
      nothing_there: ["Keine seiner Dateien liegt dort", "Wähle den Ordner oder die Datei, wo sie jetzt sind. Nichts wurde geändert."],
      outside_root: ["Ein Ordner darin führt woandershin", "Er ist eine Verknüpfung oder gar kein Ordner. Dorthin wird nichts geschrieben; nimm ihn weg und versuche es dann noch einmal."],
      unsynced: ["Nicht alles kam auf die Platte", "Sieh nach, ob die Platte heil ist, und starte das Programm neu: Was geschrieben war, wird noch einmal gelesen."],
      unreachable: ["Es gibt niemanden zu fragen", "Das DHT ist aus, keine Gegenstelle ist bekannt, und niemand kann herein. Ändere eines davon und versuche es dann noch einmal."],
      bad_content: ["Was der Herausgeber unterschrieb, ist falsch", "Es wurde abgelehnt. Nur der Herausgeber kann das richten."],
      stopping: ["Es wird gerade beendet", "Starte es neu, um weiterzumachen."],
      internal: ["Etwas Unvorhergesehenes geschah", "Es lag nicht an dir. Noch einmal versuchen hilft oft."],
    } satisfies Record<Code, [string, string]>,
  };
};
