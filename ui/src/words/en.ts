/** English, and the pattern for every other language. Short, present tense, no blame: a fact, then what follows. */
import type { Cause, Code, LeftOutReason, RouteInfo, RouteKind } from "../host/gen/api";
import { enCare } from "./enCare";
import { enNetwork, enRouteWhy } from "./enNetwork";
import type { Format } from "./format";
import type { LeftOutKind } from "../parts/leftout";
import type { Sentence } from "./words";

const s = (word: string, rest = ""): Sentence => ({ word, rest });

export const en = (f: Format) => {
  const n = f.number;
  const count = (k: number, one: string, other: string) => `${n(k)} ${f.plural(k, one, other)}`;
  const files = (k: number) => count(k, "file", "files");
  const lost = (k: number, what: LeftOutKind) =>
    what === "files"
      ? files(k)
      : what === "folders"
        ? count(k, "empty folder", "empty folders")
        : count(k, "file or folder", "files or folders");
  const items = (k: number) => count(k, "item", "items");
  const nodes = (k: number) => count(k, "DHT node", "DHT nodes");
  const span = (ms: number): string => {
    const { days, hours, minutes, seconds } = f.span(ms);
    if (days > 0) return hours > 0 ? `${n(days)} d ${n(hours)} h` : `${n(days)} d`;
    if (hours > 0) return minutes > 0 ? `${n(hours)} h ${n(minutes)} min` : `${n(hours)} h`;
    return minutes > 0 ? `${n(minutes)} min` : `${n(seconds)} s`;
  };

  return {
    app: "Megatorrent",
    unknown: "–",
    files,
    items,
    span,
    channels: (k: number) => count(k, "channel", "channels"),
    peers: (k: number) => count(k, "peer", "peers"),
    unnamed: "No name yet",
    cut: "…",
    /** How long ago, read beside a verb: "Updated 3 min ago". */
    ago: (ms: number): string => {
      const { days, hours, minutes } = f.span(ms);
      if (days > 0) return `${n(days)} ${f.plural(days, "day", "days")} ago`;
      if (hours > 0) return `${n(hours)} h ago`;
      return minutes > 0 ? `${n(minutes)} min ago` : "just now";
    },

    nav: {
      label: "Main",
      channels: "Channels",
      publish: "Publish",
      transfers: "Transfers",
      identities: "Identities",
      network: "Network",
      settings: "Settings",
      skip: "Skip to content",
    },
    foot: {
      /** Which way everything goes, and how that way is doing. */
      route: ({ kind, state }: RouteInfo): string => {
        const name = { direct: "Direct", proxy: "Proxy", tor: "Tor", both: "Direct and Tor" }[kind];
        if (state.state === "starting") return state.percent > 0 ? `${name} is starting, ${n(state.percent)} %` : `${name} is starting`;
        return state.state === "up" ? `Route: ${name}` : `${name} lost. Nothing leaves this device`;
      },
      down: "Down",
      up: "Up",
      paused: "Everything is paused",
    },
    act: {
      add: "Add",
      back: "Back",
      cancel: "Cancel",
      close: "Close",
      choose: "Choose…",
      done: "Done",
      save: "Save",
      share: "Share",
      moreFor: (name: string) => `More for ${name}`,
      get: "Get",
      play: "Play",
      pause: "Pause",
      resume: "Resume",
      openFolder: "Show in folder",
      retry: "Try again",
      quit: "Quit",
      dismiss: "Dismiss",
    },

    kinds: {
      private: "Private",
      public: "Public",
      privateLong: "Only people with this link can read it",
      publicLong: "Anyone who has the link can read it",
      own: "Yours",
    },

    state: {
      listed: s("Not fetched"),
      new: s("New"),
      waiting: s("Waiting:", "its turn"),
      fetching: s("Downloading"),
      complete: s("Ready"),
      completePart: (k: number, of: number) => s("Ready,", `${n(k)} of ${files(of)}`),
      begins: "begins",
      paused: s("Paused"),
      published: s("Published", "from here"),
      changed: s("Files changed on disk,", "no longer shared"),
      left: (ms: number) => `${span(ms)} left`,
      progress: (name: string) => `Progress of ${name}`,
      readySince: (when: string) => s("Ready", `since ${when}`),
    },
    /** Why something does not move. */
    cause: (cause: Cause): Sentence => {
      switch (cause.cause) {
        case "no_peers_known":
          return cause.asked > 0
            ? s("Waiting:", `no source known yet. Asking ${count(cause.asked, "peer", "peers")}.`)
            : s("Waiting:", "no source known yet");
        case "none_online":
          return s("Waiting:", `no source online, ${n(cause.known)} known`);
        case "only_banned":
          return s("Waiting:", f.plural(cause.known, "the only source known sent wrong parts", `all ${n(cause.known)} sources known sent wrong parts`));
        case "nobody_has_it":
          return s(
            "Waiting:",
            cause.connected === 1 ? "the one peer online lacks the rest" : `none of ${count(cause.connected, "peer", "peers")} online has the rest`,
          );
        case "blob_lookups":
          return cause.refused ? s("Waiting:", "no follower is met, and its parts are not looked up") : s("Waiting for your word:", "no follower is met");
        case "no_manifest":
          return s("Waiting:", "its list is not found yet");
        case "dht_unreachable":
          return s("Waiting:", "DHT not reachable");
        case "tor_starting":
          return s("Waiting:", `Tor is not ready, ${n(cause.percent)} %`);
        case "tor_down":
          return s("Tor does not answer.", "Nothing leaves this device.");
        case "proxy_down":
          return s("The proxy does not work.", "Nothing leaves this device.");
        case "no_way_in":
          return s("Waiting:", "this link names no way in over Tor");
        case "no_dht":
          return s("Waiting:", "the DHT is off, no peer is known");
        case "unreached":
          return s("Waiting:", `${cause.addr} is not reached`);
        case "paused":
          return s("Paused");
        case "paused_until":
          return s("Paused", `until ${f.until(cause.until)}`);
        case "schedule":
          return cause.until === null ? s("Waiting:", "the schedule never lets anything move") : s("Waiting:", `scheduled again ${f.until(cause.until)}`);
        case "month_used":
          return s("Waiting:", `this month's ${f.size(cause.limit)} are used, again ${f.until(cause.until)}`);
        case "quota":
          return s("No room:", `${f.size(cause.used)} of ${f.size(cause.quota)} used, ${f.size(cause.needed)} needed`);
        case "queued":
          return s("Queued");
        case "disk_full":
          return s("Disk full:", `${f.size(cause.free)} free, ${f.size(cause.needed)} needed`);
        case "files_changed":
          return s(
            f.plural(cause.files, "File changed on disk,", `${n(cause.files)} files changed on disk,`),
            "no longer shared",
          );
        case "folder_not_writable":
          return s("Folder cannot be written:", cause.path);
        case "in_the_way":
          return s("In the way, and no folder:", cause.path);
        case "died_reading":
          return s("Not read:", "the program ended while it read what this item is made of");
        case "bad_content":
          return s("The publisher's data is wrong");
        case "wrong_read_key":
          return s("The link does not fit the channel:", "wrong read key, or none");
        case "locked":
          return s("Waiting:", "the secrets are locked");
        case "trouble":
          return s("Stopped:", "something on this device is in its way");
      }
    },
    /** What a person can do about a cause; empty where only time helps. */
    remedy: (cause: Cause): string => {
      switch (cause.cause) {
        case "no_peers_known":
        case "none_online":
        case "nobody_has_it":
          return "It goes on by itself as soon as someone with the missing parts is online.";
        case "only_banned":
          return `Whoever sends wrong parts is left alone for a while: nobody known is asked before ${f.until(cause.until)}. Anyone else who has the parts is asked at once.`;
        case "blob_lookups":
          return "The publisher's program lets the parts of this private channel be found by their IDs only. These are the same every day: whoever watches the DHT sees that this device's address asks for them. Allow it on the channel's page, or wait for someone who follows it.";
        case "no_manifest":
          return "The publisher, or anyone who follows the channel, has to be online once. It is asked for again and again.";
        case "dht_unreachable":
          return "Known peers still work. A firewall that blocks UDP is a common reason.";
        case "tor_starting":
          return "";
        case "tor_down":
        case "proxy_down":
          return `${enRouteWhy[cause.reason]}. It is tried again by itself.`;
        case "no_way_in":
          return "Ask for a link that names an onion address, or name a gateway in the settings.";
        case "no_dht":
          return cause.listening ? "It goes on when somebody who follows the channel connects." : "Nobody can connect to this node either. Let it use the DHT, or name a gateway in the settings.";
        case "unreached":
          return "It is tried again by itself. Look whether the address is right and its node runs.";
        case "paused":
          return "Resume it when you like.";
        case "paused_until":
          return "It goes on by itself, or resume it now.";
        case "schedule":
          return "It goes on by itself when the schedule lets it.";
        case "month_used":
          return "It goes on by itself next month, or allow more.";
        case "quota":
          return "Remove something, or allow more.";
        case "queued":
          return "";
        case "disk_full":
          return "Free some space, then resume.";
        case "files_changed":
          return "Fetch them again, tell where they went, or leave them as they are.";
        case "folder_not_writable":
          return "Give the folder back its write permission, or choose another one in the settings.";
        case "in_the_way":
          return "A folder is needed there. Move away what lies there, or give it another name; it goes on by itself.";
        case "died_reading":
          return "Get it once more to try.";
        case "bad_content":
          return "Only the publisher can put it right.";
        case "wrong_read_key":
          return "Unsubscribe, then subscribe with the link as the publisher gave it.";
        case "locked":
          return "Unlock the vault to go on.";
        case "trouble":
          return "It is tried again by itself.";
      }
    },

    leftOut: (k: number, what: LeftOutKind) => `${lost(k, what)} left out:`,
    leftOutMore: (k: number) => `and ${n(k)} more`,
    /** Why a file is left out. */
    leftOutWhy: (why: LeftOutReason): string => {
      switch (why.reason) {
        case "empty":
          return "A part of its path has no name.";
        case "outside":
          return "Its path leads out of the item's folder.";
        case "character":
          return `Windows cannot store a name with “${why.character}”.`;
        case "invisible":
          return `Its name holds the character ${why.code}, which does not show.`;
        case "device":
          return `Windows keeps the name “${why.name}” for a device.`;
        case "trailing":
          return "Windows cannot store a name that ends with a dot or a space.";
        case "long":
          return `Its name has ${count(why.bytes, "byte", "bytes")}; ${n(why.most)} can be stored.`;
        case "deep":
          return "It lies too deep in its folders.";
        case "same":
          return "Another file has the same name on some systems.";
        case "link":
          return "It is a link to another file.";
        case "no_file":
          return "It is no file: a pipe, a socket or a device.";
        case "empty_folder":
          return "The folder is empty.";
        case "no_text":
          return "Its name is not valid text (UTF-8).";
        case "unreadable":
          return "It cannot be read.";
        case "secret":
          return "Secret keys of this program are in it. They are never published.";
        case "other":
          return "It cannot be stored everywhere.";
      }
    },

    kind: { audio: "Audio", video: "Video", picture: "Picture", text: "Text", archive: "Archive", file: "File" },

    list: {
      none: "No channel has that name",
      downloading: (k: number) => `${n(k)} downloading`,
      updated: (when: string) => `Updated ${when}`,
      never: "Not found yet",
      privatePrefix: "Private",
      pausedByYou: "Paused by you",
      fresh: (k: number) => `${n(k)} new`,
      foot: (k: number, bytes: string) => `${count(k, "channel", "channels")} · ${bytes} listed`,
    },

    begin: {
      title: "Paste a channel link to begin",
      textBefore: "Someone gave you a link that starts with",
      textAfter: "You will see whose channel it is before anything is fetched.",
      field: "Channel link",
      open: "Open link",
      qr: "or drop a picture of its QR code on this window",
      publishBefore: "Have something to give?",
      publish: "Publish a folder",
    },

    channel: {
      key: "Key",
      copyKey: "Copy the key",
      about: "About",
      updated: (when: string) => `Updated ${when}`,
      notUpdated: "No list found yet",
      checked: (when: string) => `checked ${when}`,
      neverChecked: "not checked yet",
      sources: (k: number) => count(k, "source", "sources"),
      /** The same of an own channel: whoever is connected for it follows it. */
      followers: (k: number) => (k === 0 ? "nobody who follows is connected" : `${count(k, "follower", "followers")} connected`),
      seenBy: (k: number) => `seen by ${nodes(k)}`,
      signed: (when: string) => `Newest list: ${when}`,
      sequence: (k: string) => `Newest list: number ${k}`,
      search: (k: number) => `Search ${items(k)}`,
      item: "Item",
      published: "Published",
      size: "Size",
      state: "State",
      actions: "Actions",
      sortBy: (column: string) => `Sort by ${column}`,
      foot: (k: number, here: number) => `${items(k)} · ${n(here)} on this device`,
      footFound: (k: number, of: number) => `${n(k)} of ${items(of)}`,
      footUnknown: "Items are not known yet",
      footBytes: (bytes: string) => `${bytes} in all`,
      empty: "This channel lists nothing yet.",
      emptyOwn: "You have published nothing here yet.",
      emptyUnknown: "The list has not been found yet. It appears here as soon as someone shows it.",
      noMatch: (text: string) => `No item has “${text}” in its name.`,
      loading: "Reading the list",
      getAuto: "Get automatically:",
      getShort: "Get",
      lookUp: "Look them up",
      rule: { all: "everything", none: "nothing", newest: (k: number) => `newest ${n(k)}` },
      signedTwice: "Two different lists carry the same number",
      signedTwiceMore: "The key is used in two places, or someone else has it. Ask the publisher before you trust new items.",
      pause: "Pause channel",
      resume: "Resume channel",
      edit: "Edit texts…",
      leave: "Stop following…",
      publishHere: "Publish here",
      choose: "Choose a channel to see what it publishes.",
    },

    rule: {
      legend: "Get automatically",
      none: "Nothing; I choose each",
      newestBefore: "The newest",
      newestAfter: "items",
      newestLabel: "How many of the newest items",
      all: "Everything",
      allSize: (bytes: string) => `Everything, ${bytes}`,
      set: "Use this rule",
    },

    share: {
      title: (name: string) => `Share “${name}”`,
      text: "Anyone who opens this link can follow the channel.",
      textPrivate: "This link carries the read key. Whoever has it can read everything in the channel, for good.",
      copy: "Copy link",
      copied: "Link copied",
      saveQr: "Save QR",
      saved: "Picture saved",
      qr: "QR code of the link",
      qrName: "megatorrent-link.png",
      tooLong: "This link is too long for a QR code.",
      fingerprint: "Key fingerprint",
    },

    add: {
      title: "Add a channel",
      fromLink: "Opened from a link. Add this channel?",
      paste: "Paste the link that you were given.",
      field: "Channel link",
      next: "Continue",
      nameless: "Channel without a name yet",
      compare: "Key fingerprint. Compare it with what the sender tells you.",
      nothingSent: "Nothing has been sent anywhere yet.",
      look: "Look inside",
      looking: "Asking for the list",
      lookText: "“Look inside” asks the network for the list and fetches no file.",
      list: (k: number) => `Now: the list of ${items(k)}. No file yet.`,
      listUnknown: "Now: the list of its items. No file yet.",
      address: (kind: RouteKind): string => {
        if (kind === "tor") return "Other members see an onion address, not this device's, because the route is Tor.";
        if (kind === "proxy") return "Other members see the proxy's address, not this device's.";
        return "Other members see this device's address, because the route is Direct.";
      },
      giveBack: "You share what you hold with others who follow it.",
      lends: (bytes: string) => `And up to ${bytes} of sealed parts that you lend, when the line is idle.`,
      hosts: (hosts: string, kind: RouteKind) =>
        `The link names ${hosts}. They are asked first${kind === "tor" || kind === "proxy" ? "" : " and see your address"}.`,
      add: "Add channel",
      knownTitle: "You follow this channel already",
      ownTitle: "This is your own channel",
      goThere: "Go to the channel",
      inside: (k: number, bytes: string) => `${items(k)}, ${bytes}`,
      newestItems: "Newest items",
      added: (name: string) => (name ? `Added “${name}”` : "Added. The channel's name comes with its list."),
      noQr: "No code with a channel link in that picture",
      noQrText: "It can be published instead.",
      publishPicture: "Publish the picture",
      cutOff: (have: number) => `This link is cut off: ${n(have)} of 64 characters of the key.`,
      notLink: "A channel link starts with megatorrent:// and a key of 64 characters.",
    },

    item: {
      files: "Files in this item",
      file: "File",
      here: "Here",
      about: "About",
      facts: "Facts",
      publishedOn: (day: string) => `published ${day}`,
      where: "On disk",
      peers: "Peers of the channel",
      have: "Here",
      rate: "Rate",
      id: "Item ID",
      fileReady: "Ready",
      filePart: (percent: string) => `${percent} here`,
      fileNone: "Not here",
      filePlaying: (percent: string) => `Playing, ${percent}`,
      open: "Open",
      save: "Save",
      playOutside: "Play in another program",
      preview: (name: string) => `Picture: ${name}`,
      noFiles: "Its files are known once the list of this item is here.",
      verify: "Check files",
      verifying: "Checking files",
      verifiedGood: (good: number) => `All ${count(good, "blob", "blobs")} are right`,
      verifiedBad: (bad: number, good: number) =>
        `${count(bad, "blob is", "blobs are")} missing or changed, ${n(good)} right`,
      locate: "Files moved? Locate…",
      located: "Found. The files are shared again.",
      getTo: "Get to another folder…",
      remove: "Remove from this device…",
      unpublish: "Take out of the channel…",
      update: "Publish a new version…",
      edit: "Edit texts…",
      files1: "Files",
    },

    player: {
      label: (name: string) => `Player: ${name}`,
      seek: "Position",
      play: "Play",
      pause: "Pause",
      rewind: "Back 10 seconds",
      mute: "Mute",
      unmute: "Sound on",
      volume: "Volume",
      speed: (rate: string) => `Speed ${rate}`,
      speedShort: (rate: string) => `${rate}×`,
      pip: "Small window",
      fullscreen: "Full screen",
      leaveFullscreen: "Leave full screen",
      of: (at: string, all: string) => `${at} of ${all}`,
      whileDownloading: "Plays while it downloads",
      ahead: (time: string) => `Plays while it downloads: ${time} ahead`,
      first: "The next minutes come first.",
      here: (percent: string) => `${percent} is here.`,
      rest: (rate: string, left: string) => `The rest follows at ${rate}, about ${left}.`,
      restComes: "The rest is on its way.",
      restSlow: "The rest waits for someone who has it.",
      all: "All of it is on this device.",
      waiting: "Fetching this part",
      loading: "Loading the first part",
      cannot: "This program cannot play it here",
      cannotHere: "All of it is on this device. This desktop lacks a decoder for it, or the file is damaged.",
      cannotText: "This desktop lacks a decoder for it, or the beginning is not here yet.",
      close: "Close the player",
    },

    publish: {
      title: "Publish",
      drop: "Drop files or a folder here",
      choose: "Choose files or a folder",
      dropMore: "Drop more files or folders here",
      dropText: "They are read where they lie, not copied.",
      dropNow: "Drop to publish",
      files: "Files…",
      folder: "Folder…",
      remove: (name: string) => `Leave out ${name}`,
      atLeast: (text: string) => `over ${text}`,
      moreEntries: (k: number) => `and ${n(k)} more`,
      itemTitle: "Title",
      titleHint: "What followers see in the list",
      about: "Description",
      optional: "optional",
      as: "Publish as",
      newIdentity: "New identity…",
      newName: "Name of the channel",
      newNameHint: "Followers see it. You can change it later.",
      who: "Who can read it",
      everyone: "Everyone",
      withLink: "With the link",
      everyoneText: "Listed openly: anyone who has the link, or finds the key, can read it.",
      withLinkText: "Sealed with a read key that only the link carries. This cannot be turned around later.",
      fixedPublic: "This channel is public already.",
      fixedPrivate: "This channel is private already.",
      go: "Publish",
      goUpdate: "Publish update",
      updating: (name: string) => `New version of “${name}”. Copies already on followers' disks stay.`,
      asNew: "Publish as a new item",
      willLeaveOut: (k: number, what: LeftOutKind) => `${lost(k, what)} will be left out.`,
      renameFirst: (k: number, all: boolean) =>
        all
          ? `Rename ${f.plural(k, "it", "them")} first to take ${f.plural(k, "it", "them")} along.`
          : "What has a name that cannot be stored comes along once it is renamed.",
      busy: "A publication goes on",
      busyText: "Add more when it is through.",
      another: "Publish something else",
      needFiles: "Choose what to publish first.",
      needName: "The channel needs a name.",
      running: "Publishing",
      finished: "Published",
      failed: "Not published",
      runningText: "You can leave this screen; it goes on.",
      read: "Read",
      readText: (k: number) => `${files(k)}, every byte once`,
      readNow: "Reading and counting",
      sealed: "Sealed",
      sealedText: (k: number) => `${count(k, "blob", "blobs")}, encrypted and hashed`,
      sealNow: "Encrypting and hashing",
      announced: "Announced",
      announcedText: "Can be found; the rest follows in turn",
      announcedDone: "Its parts can be found",
      announceNow: "Telling the DHT where its parts are",
      seen: (k: number) => `Seen by ${nodes(k)}`,
      seenNone: "Not handed out yet",
      seenNoneText: "Nobody is connected. It goes to the first who asks, and the DHT where there is one.",
      announcedNone: "There is no DHT to tell. Peers that connect ask for it.",
      seenGateways: (k: number) => `Handed to ${count(k, "gateway", "gateways")}`,
      seenPeers: (k: number) => `Handed to ${count(k, "peer", "peers")} at once`,
      seenNow: "Putting the list on the DHT",
      seenStep: "List handed out",
      nOf: (a: number, b: number) => `${n(a)} of ${n(b)}`,
      waiting: "Comes next",
      linkReady: "The link is ready",
      linkSoon: "You can hand it out now. It opens once the list is out.",
      linkText: "Anyone who opens it follows the channel. Keep this device on until another has it all.",
      linkTextPrivate: "It carries the read key: who has it can read everything. Keep this device on until another has it all.",
      showChannel: "Go to the channel",
    },

    transfers: {
      title: "Transfers",
      resumeAll: "Resume all",
      pausedNote: "Everything is paused",
      pausedText: "Nothing is fetched and nothing is given until you resume.",
      moving: "Moving",
      still: "Not moving",
      done: "Finished",
      item: "Item",
      state: "State",
      down: "Down",
      peers: "Peers",
      left: "Left",
      emptyTitle: "Nothing moves",
      emptyText: "What you get from a channel shows up here, with its pace, and with the reason when it stands still.",
      emptyAct: "Go to Channels",
      foot: (down: string, up: string) => `Since start: ${down} down, ${up} up`,
      ratio: (percent: string) => `Given back: ${percent} of what was taken`,
    },

    graph: {
      label: (down: string, up: string) => `Rates of the last 5 minutes. Now ${down} down, ${up} up.`,
      from: "5 min ago",
      now: "now",
      last: "Last 5 minutes",
    },

    identities: {
      title: "Identities",
      text: "An identity is the key you publish with. Whoever has the key is the channel, so it stays in this computer's keyring and leaves only as an encrypted backup.",
      textVault: "An identity is the key you publish with. Whoever has the key is the channel, so it stays in an encrypted vault on this computer and leaves only as an encrypted backup.",
      create: "New identity",
      identity: "Identity",
      key: "Key",
      kept: "Kept in",
      keyring: "Keyring",
      vault: "Vault",
      nothingYet: "Nothing published yet",
      made: (day: string) => `made ${day}`,
      link: "Link",
      backUp: "Back up",
      rename: "Rename…",
      emptyTitle: "No identity yet",
      emptyText: "You need one to publish, not to follow. It is made when you first publish, or here.",
      createTitle: "New identity",
      createText: "The name is for you and for the channel that starts with it.",
      name: "Name",
      createGo: "Make identity",
      made1: (name: string) => `“${name}” is made. Back it up: no one can reset it for you.`,
      renameTitle: (name: string) => `Rename “${name}”`,
      renameText: "Only the name on this computer changes.",
      renamed: "Renamed",
      backUpTitle: "Back up to a file",
      backUpText: "One encrypted file for one identity. Without its passphrase it is useless to a thief, and to you.",
      passphrase: "Passphrase",
      passphraseAgain: "Passphrase again",
      showPass: "Show the passphrase",
      hidePass: "Hide the passphrase",
      short: (k: number) => `At least ${n(k)} characters.`,
      strong: "Strong enough",
      weak: "Short. Four or more words are safer.",
      differ: "The two differ.",
      saveBackup: "Save backup…",
      backedUp: (file: string) => `Saved to ${file}`,
      restoreTitle: "Restore from a file",
      restoreBefore: "Drop a backup here, or an",
      restoreAfter: "from version 5. Its channels continue where they were.",
      drop: "Drop the backup file",
      or: "or",
      chooseIt: "choose it",
      restorePass: "Passphrase of the backup",
      restorePassHint: "Leave it empty for an identity.json.",
      restoreGo: "Restore",
      restored: (name: string) => `“${name}” is back`,
      restoreName: "Name on this computer",
    },

    ...enNetwork(f),
    ...enCare(f),

    settings: {
      title: "Settings",
      storage: "Storage",
      folder: "Download folder",
      folderText: "New items go there, as plain files. What is there already stays where it is.",
      change: "Change…",
      window: "Window",
      tray: "Keep running in the tray when the window is closed",
      trayText: "Quit in the tray's menu, or Ctrl+Q, stops it.",
      autostart: "Start with the computer, in the tray",
      autostartPlain: "Start with the computer, minimised",
      autostartText: "Channels stay up to date and you give back while you do other things.",
      looks: "Language and looks",
      language: "Language",
      system: "As the system",
      theme: "Appearance",
      light: "Light",
      dark: "Dark",
      secrets: "Secrets",
      secretsKeyring: "Kept in this computer's keyring",
      secretsVault: "Kept in a vault with a passphrase; open",
      secretsLocked: "In a vault that is locked",
      secretsRing: "In this computer's keyring, which is locked",
      secretsRingUnused: "The keyring of this computer is locked. Unlock it, or make a vault with a passphrase.",
      secretsOther: "The key to them is missing: the keyring or the vault is another one than before.",
      secretsNone: "There is no keyring here. A vault with a passphrase is made when you first need one.",
      unlock: "Unlock…",
      keys: "Keyboard",
      keysShow: "Show shortcuts",
      program: "Program",
      saved: "Saved",
      dataDir: "Data folder",
      version: "Version",
    },

    unlock: {
      title: "Unlock the vault",
      text: "The secrets of your identities are in a vault on this computer. Its passphrase opens it.",
      makeTitle: "Make a vault",
      makeText: "There is no keyring on this computer that could keep the secret of an identity. A passphrase seals it in a vault instead. No one can reset it for you.",
      passphrase: "Passphrase",
      go: "Unlock",
      make: "Make vault",
      note: "The vault is locked",
      noteText: "Following and fetching go on. Publishing, and private channels, wait for its passphrase.",
      opened: "Unlocked",
      ringTitle: "The keyring is locked",
      ringText: "The secrets of your identities are in this computer's keyring, and it is locked. Unlock it where you manage its passwords, or by logging in again; then try again.",
      ringUnusedText: "This computer has a keyring, and it is locked. Unlock it, then try it again; or let a vault with a passphrase keep the secrets instead. No one can reset that passphrase for you.",
      ringStill: "The keyring is locked still",
      ringRetry: "Try the keyring",
      ringAsking: "Asking the keyring",
      ringNote: "The keyring is locked",
      ringNoteText: "Following and fetching go on. Publishing, and private channels, wait until it is unlocked.",
    },

    giveUp: {
      ask: "Go on without them…",
      title: "Go on without the old secrets",
      text: "Do this only when the old keyring, or the passphrase, is gone for good. What only it could open is given up:",
      identities: (k: number) => f.plural(k, "Identity:", "Identities:"),
      identitiesBack: "A backup brings each back; without one it is gone.",
      closed: (k: number) => f.plural(k, "Private channel:", "Private channels:"),
      closedBack: "The link with its key opens each again.",
      others: "A proxy's password, onion addresses and known peers, as far as there were any.",
      stays: "Downloads, channels, lists and files that are shared stay as they are.",
      go: "Give them up",
      done: "This device has new secrets. Restore identities from their backups.",
      note: "The key to this folder's secrets is missing",
      noteText: "Following and fetching go on. Publishing, and private channels, wait until the old keyring or vault is back.",
    },

    first: {
      step1: "What this is",
      step2: "Route",
      step3: "Folder and space",
      title1: "Follow a link. Keep the files.",
      lead1: "Megatorrent brings you what channels publish, straight from the people who already have it.",
      p1: "You follow channels",
      p1Text: "A channel is a key, opened by a link. What its owner publishes arrives as ordinary files.",
      p2: "People pass it on",
      p2Text: "There is no account and no server. You give back what you took.",
      p3: "What travels is sealed",
      p3Text: "Those who carry it cannot read it. Every piece is checked before you see it.",
      foot1: "Takes about a minute. All of it can be changed later.",
      nextRoute: "Choose the route",
      titleRoute: "How should it reach others?",
      leadRoute: "The files are the same on both. What differs is who sees your address.",
      members: "Members see",
      provider: "Your provider sees",
      speed: "Speed",
      sees: {
        direct: { members: "your internet address", provider: "whom you talk to, not what about", speed: "full" },
        proxy: { members: "the proxy's address, not yours", provider: "that you use this proxy, which sees the rest", speed: "the proxy's" },
        tor: { members: "an onion address, not yours", provider: "that you use Tor", speed: "slower; films start in seconds" },
      },
      proxyInstead: "Use a SOCKS5 proxy instead",
      footTor: "If Tor is lost, nothing leaves this device until it is back.",
      next1: "Choose the folder",
      title2: "Where may the files live?",
      lead2: "Finished items are plain files in this folder. The limit is checked before each write.",
      folder: "Folder",
      tray: "Keep running when the window is closed",
      trayText: "It stays in the tray and gives back. Quit stops it.",
      autostart: "Start with the computer, in the tray",
      autostartPlain: "Start with the computer, minimised",
      noTray: "This desktop has no tray. Closing the window ends the program, after a question.",
      autostartText: "Channels stay up to date while you do other things.",
      lend: (bytes: string) => `Lend up to ${bytes} of it to others`,
      lendText: (all: string, each: string) =>
        `Keeps rare parts of your channels alive, sealed. When the line is idle that downloads up to ${each} of each channel you follow, ${all} in all, beside what you get yourself.`,
      start: "Start",
      steps: "Steps",
      stepOf: (a: number, b: number) => `Step ${n(a)} of ${n(b)}`,
    },

    web: {
      title: "Sign in to this node",
      text: "Open the address that this command prints, or paste it here (where it prints none, the token is in the file web-token of the node’s data folder):",
      label: "Address or token",
      enter: "Sign in",
      noToken: "There is no token in this. It is 32 digits and letters, after “token=”.",
      problem: {
        unknown: "The node does not take this token. Each is good for one sign-in: take the newest.",
        stranger: "What answers at this address is not your node. It was told nothing; do not sign in here.",
        insecure: "Browsers prove nothing over a line like this one. Come by https, or through a tunnel to this computer.",
        ended: "The node was started anew. Sign in again, with the token that it has now.",
      },
      gone: "The node does not answer",
      goneText: "It has ended, or the way to it is cut. It is tried again every few seconds.",
    },

    pick: {
      title: "Choose on the node’s computer",
      where: "The folders of the computer that Megatorrent runs on",
      up: "Up",
      path: "Folder",
      empty: "This folder is empty",
      more: "There is more than is shown. Type the folder’s path.",
      name: "File name",
      choose: "Choose",
      thisFolder: "Choose this folder",
      save: "Save here",
    },

    failed: {
      title: "Megatorrent cannot start",
      page: "This page cannot be shown",
      starting: "Starting",
      stopping: "Storing what is here, then quitting",
      detail: "In detail",
      rebuild: "Make it anew",
      rebuilt: "The database is made anew",
      rebuiltText: (replanned: number, unshared: number, kept: string) =>
        [
          replanned > 0 ? `${count(replanned, "download is", "downloads are")} planned again; what lies there is recognised.` : "",
          unshared > 0 ? `${count(unshared, "published item is", "published items are")} not shared any more: publish the files again as a new version.` : "",
          `The damaged one is kept: ${kept}`,
        ].filter(Boolean).join(" "),
      sound: "The database is sound. Nothing was changed",
    },

    confirm: {
      leaveTitle: (name: string) => `Stop following “${name}”?`,
      leaveText: "Nothing new arrives, and you stop giving back what it published.",
      leaveFiles: "Delete its files from this computer too",
      leaveGo: "Stop following",
      removeTitle: (name: string) => `Remove “${name}” from this device?`,
      removeText: "It stays in the channel's list; you can get it again as long as someone has it.",
      removeFiles: "Delete its files too",
      removeGo: "Remove",
      unpublishTitle: (name: string) => `Take “${name}” out of the channel?`,
      unpublishText: "Followers no longer see it in the list. Copies that they have stay with them, and your own files stay here.",
      unpublishGo: "Take out",
      quitTitle: "Quit Megatorrent?",
      quitText: "Downloads stop, and no one can get anything from this computer until it starts again.",
      quitGo: "Quit",
    },

    edit: {
      channelTitle: "Edit the channel's texts",
      itemTitle: "Edit the item's texts",
      text: "Followers see the change with the next list.",
      name: "Name",
      itemName: "Title",
      about: "Description",
      saved: "The new texts are on their way",
    },

    toast: {
      ready: (name: string) => `“${name}” is ready`,
      readyPart: (name: string, k: number, of: number) => `“${name}”: ${n(k)} of ${files(of)} ready`,
      readyMany: (k: number, channel: string) => `${items(k)} of “${channel}” ${f.plural(k, "is", "are")} ready`,
      paused: "Paused",
      resumed: "Resumed",
      removed: "Removed",
      kept: (k: number, one: string) => (k === 1 ? `${one} stays: changed here, in place before, or shared from here` : `${n(k)} files stay, ${one} among them: changed here, in place before, or shared from here`),
      left: (name: string) => `You no longer follow “${name}”`,
      unpublished: "Taken out of the channel",
      copied: "Copied",
      settingsLost: "The window's settings were damaged",
      settingsLostMore: "They begin anew. The old ones are kept beside them.",
      label: "Messages",
    },

    /** A file goes to another program while the route hides. */
    outside: {
      title: "This program does not use your route",
      text: (route: string) => `Files can hold addresses, and another program fetches them straight: whoever made the file then sees your internet address, although the route is ${route}.`,
      go: "Open all the same",
      remember: (kind: string) => `Do not ask again for ${kind} files`,
      shown: (name: string) => `“${name}” is not opened from here. Its folder is shown instead.`,
    },

    keys: {
      title: "Keyboard shortcuts",
      screens: "Go to the screens in the sidebar, in their order",
      find: "Find a channel or an item",
      search: "Search in the list",
      add: "Add a channel",
      publish: "Publish",
      back: "Dismiss a message, clear a search, leave an item",
      rows: "Move in a list",
      open: "Open what is selected",
      pauseAll: "Pause or resume everything",
      player: "In the player: play or pause, jump, sound, full screen",
      settings: "Settings",
      quit: "Quit",
      help: "This list",
      ctrl: "Ctrl",
      arrows: "Arrow keys",
      enter: "Enter",
      space: "Space",
      esc: "Esc",
    },

    /** By error code: what happened, and what follows from it. */
    errors: {
      bad_link: ["This is not a channel link", "A link starts with megatorrent:// and a key of 64 characters. Copy it again, whole."],
      other_read_key: ["You follow this channel with another read key", "One of the two links is out of date. Ask the sender which one holds."],
      wrong_read_key: ["The read key does not open this channel", "The link is incomplete, or the publisher changed the key. Ask for a new link."],
      not_found: ["Not found", "It is no longer in the list, or the list has not arrived yet."],
      ambiguous: ["That fits more than one", "Use the whole key or the whole name."],
      exists: ["That name is taken", "Choose another one."],
      bad_argument: ["That does not fit together", "Change what you entered and try again."],
      kind_mismatch: ["This channel is of the other kind", "A channel is public or private from its first item on. Choose another identity."],
      not_own: ["Only the publisher can change this", "It is not one of your identities."],
      io: ["A file could not be read or written", "Check that the disk is there and that the folder may be used."],
      disk_full: ["The disk is full", "Free some space, then try again. What is here already is safe."],
      quota: ["There is no room under the quota", "Remove something, or allow more. What is here already is safe."],
      source_changed: ["A file changed while it was read", "Close the program that writes to it, then publish again."],
      secrets: ["The secrets are out of reach", "The keyring is locked or missing. A vault with a passphrase works too."],
      other_key: ["The key to this folder's secrets is missing", "The keyring or the vault is another one than before. What is sealed stays as it is and opens again when the old one is back. If it is gone for good, Settings go on without it."],
      wrong_passphrase: ["The passphrase does not fit", "Upper and lower case count. Nothing was changed."],
      ask_first: ["This takes your word", "It shows others something that they do not see now. Allow it, or leave it."],
      not_published: ["No one took the list", "No DHT node and no gateway answered. Your files are sealed and shared; try again when the network is back."],
      timed_out: ["No answer in time", "No one who is online showed it. Trying again later often helps."],
      cancelled: ["Cancelled", "Nothing was changed."],
      busy: ["Another Megatorrent uses this data folder", "Close the other one, then try again."],
      port_taken: ["The port is in use", "Another program listens there. Close it, then try again."],
      corrupt: ["The data folder is damaged", "Your files are not touched. Its database can be made anew from what can be read; the damaged one is kept."],
      not_writable: ["Nothing can be written there", "Choose another folder, or let this account write to it."],
      open_to_others: ["Other accounts can enter the data folder", "Close it to them, or name another folder; “In detail” says how. Nothing was read or written."],
      newer_data: ["A newer Megatorrent wrote this data folder", "Start the newer one, or update this one. Nothing was changed."],
      incomplete: ["Parts of it are missing", "They are fetched again by themselves as soon as someone has them."],
      nothing_there: ["None of its files is there", "Choose the folder or file where they are now. Nothing was changed."],
      outside_root: ["A folder inside leads somewhere else", "It is a link, or no folder. Nothing is written there; take it away, then try again."],
      unsynced: ["Not everything reached the disk", "Look whether the disk is sound, then start the program again: what was written is read again."],
      unreachable: ["There is no one to ask", "The DHT is off, no peer is known, and no one can connect. Change one of them, then try again."],
      bad_content: ["What the publisher signed is wrong", "It was refused. Only the publisher can put it right."],
      stopping: ["It is shutting down", "Start it again to go on."],
      internal: ["Something unforeseen happened", "It was not your doing. Trying again often helps."],
    } satisfies Record<Code, [string, string]> as Record<Code, [string, string]>,
  };
};
