// Every verb, reply, event and error code of the program.
// Written from crates/node/src/api.rs by `cargo xtask types`; a test fails when the two differ.
// Sizes, counts and times are whole numbers below 2^53; paths are text.

/** See [`PeerInfo::banned`]. */
export type Banned = {
/** Until when, ms since 1970. */
until: number,
/** What it did. */
why: BannedFor, };

/** What somebody did whom nothing is asked of any more for a while. */
export type BannedFor = "wrong_part";

/** See [`Request::CancelPublish`]. */
export type CancelPublish = {
/** Its name: [`Publish::job`], or the one that its progress carries. */
job: string, };

/** Why something does not move: a closed list. */
export type Cause = { "cause": "no_peers_known",
/** Peers asked. */
asked: number, } | { "cause": "none_online",
/** Addresses known. */
known: number, } | { "cause": "nobody_has_it",
/** Peers connected. */
connected: number, } | { "cause": "blob_lookups",
/** The user said no. */
refused: boolean, } | { "cause": "no_manifest" } | { "cause": "dht_unreachable" } | { "cause": "tor_starting",
/** How far, of 100. */
percent: number, } | { "cause": "tor_down",
/** Why, in English. */
why: string,
/** The same as a code. */
reason: RouteReason, } | { "cause": "proxy_down",
/** Why, in English. */
why: string,
/** The same as a code. */
reason: RouteReason, } | { "cause": "no_way_in" } | { "cause": "no_dht",
/** Others can come to this node. */
listening: boolean, } | { "cause": "unreached",
/** The address. */
addr: string,
/** Why not. */
why: string,
/** The DHT is asked as well. */
dht: boolean, } | { "cause": "paused" } | { "cause": "paused_until",
/** ms since 1970. */
until: number, } | { "cause": "schedule",
/** ms since 1970; none: it never lets anything move. */
until: number | null, } | { "cause": "month_used",
/** Bytes a month. */
limit: number,
/** When the next month begins, ms since 1970. */
until: number, } | { "cause": "quota",
/** Bytes allowed. */
quota: number,
/** Bytes here. */
used: number,
/** Bytes that it still needs. */
needed: number, } | { "cause": "queued" } | { "cause": "only_banned",
/** Addresses known. */
known: number,
/** When the first of them is asked again, ms since 1970. */
until: number, } | { "cause": "disk_full",
/** Bytes free. */
free: number,
/** Bytes needed. */
needed: number, } | { "cause": "files_changed",
/** How many. */
files: number, } | { "cause": "folder_not_writable",
/** The folder. */
path: string, } | { "cause": "in_the_way",
/** What lies there. */
path: string, } | { "cause": "died_reading" } | { "cause": "bad_content",
/** What is wrong with it. */
what: string, } | { "cause": "wrong_read_key",
/** What is wrong with it. */
what: string, } | { "cause": "locked" } | { "cause": "trouble",
/** What kind of thing. */
code: Code,
/** A sentence without its full stop. */
what: string, };

/** A channel by key, name or link. */
export type ChannelArg = {
/** Key, unique prefix of at least 8 characters, name or link. */
channel: string, };

/** A channel. */
export type ChannelInfo = {
/** Key, hex. */
key: string,
/** 16 groups of 4. */
fingerprint: string,
/** What it calls itself: hostile text. */
name: string,
/** Its description: hostile text. */
about: string,
/** Read key needed. */
private: boolean,
/** Ours. */
own: boolean,
/** Newest sequence, 0 when none is known yet. */
sequence: number,
/** Sequence of the list that was read last, 0 when none was. Items asked for before it changed are old. */
listed: number,
/** Items in its list. */
items: number,
/** Of them complete here. */
complete: number,
/** Bytes of all items. */
bytes: number,
/** Last asked, ms since 1970. */
checked: number | null,
/** DHT nodes that showed the newest manifest last time. */
seen_by: number | null,
/** Peers connected for it. */
peers: number,
/** Two different manifests with one sequence were seen. */
signed_twice: boolean,
/** Paused. */
paused: boolean,
/** What is fetched. */
fetch: FetchRule,
/** Why it does not move, if it does not. */
cause: Cause | null,
/** What of it stays here. */
keep?: KeepRule,
/** Downloads are kept only encrypted. */
encrypted?: boolean,
/** Of a private channel whose list a v5 author wrote: whether its blobs are looked up by ID. None: there is nothing to
 * say about that. */
look_up?: boolean, };

/** See [`Request::Choose`]. */
export type Choose = {
/** Item. */
item: string,
/** Paths as [`Request::Files`] tells them. */
paths: Array<string>,
/** Whether they are wanted. */
want: boolean, };

/** Error codes. */
export type Code = "bad_link" | "other_read_key" | "wrong_read_key" | "not_found" | "ambiguous" | "exists" | "bad_argument" | "kind_mismatch" | "not_own" | "io" | "disk_full" | "quota" | "source_changed" | "secrets" | "other_key" | "wrong_passphrase" | "ask_first" | "not_published" | "timed_out" | "cancelled" | "busy" | "port_taken" | "corrupt" | "newer_data" | "not_writable" | "open_to_others" | "incomplete" | "nothing_there" | "outside_root" | "unsynced" | "unreachable" | "bad_content" | "stopping" | "internal";

/** See [`Request::Edit`]. */
export type Edit = {
/** Own channel (name, key or link) or item ID. */
what: string,
/** New name. */
name: string | null,
/** New description. */
about: string | null, };

/** An error as it crosses a border. */
export type ErrorInfo = {
/** For programs. */
code: Code,
/** For people. */
message: string, };

/** News. At most 4 a second per thing. */
export type Event = { "event": "snapshot", "data": Snapshot } | { "event": "status", "data": Status } | { "event": "channel", "data": ChannelInfo } | { "event": "channel_gone", "data": string } | { "event": "item", "data": ItemInfo } | { "event": "item_gone", "data": [string, string] } | { "event": "ready", "data": ItemInfo } | { "event": "publishing", "data": PublishProgress } | { "event": "moving", "data": MoveProgress } | { "event": "notice", "data": ErrorInfo } | { "event": "waiting", "data": Waiting };

/** What is fetched on its own from a followed channel. */
export type FetchRule = "all" | { "newest": number } | "none";

/** A file of an item. */
export type FileArg = {
/** Item. */
item: string,
/** Its path as [`Request::Files`] tells it. */
path: string, };

/** A file. */
export type FileInfo = {
/** Relative path. */
path: string,
/** Bytes. */
size: number,
/** Verified bytes here. */
have: number,
/** Media type as published. */
mime: string | null,
/** Not wanted. */
skipped?: boolean, };

/** See [`Request::Get`]. */
export type Get = {
/** Link, or `channel/item`. */
what: string,
/** Folder; default: the download folder. */
dir: string | null, };

/** See [`Request::GiveUp`]. */
export type GiveUp = {
/** False: only tell what would be given up. */
sure: boolean,
/** Of the new vault, where no keyring can keep the new secrets. */
passphrase: string | null, };

/** What goes with a key that is gone; what was downloaded, and what is public, stays. */
export type GivenUp = {
/** False: nothing was changed yet. */
done: boolean,
/** Names of identities whose secrets are gone. A backup brings one back. */
identities: Array<string>,
/** Private channels that are closed until they are opened with their links. */
closed: Array<string>,
/** Something else was sealed: a proxy's password, onion addresses, addresses of peers. */
others: boolean, };

/** See [`Request::Get`]. */
export type Got = {
/** Items fetched. */
items: Array<ItemInfo>, };

/** See [`Request::IdExport`]. */
export type IdExport = {
/** Local name or key. */
identity: string,
/** File to write. */
file: string,
/** Encrypts the backup. */
passphrase: string, };

/** See [`Request::IdImport`]. */
export type IdImport = {
/** Local name; default: the one in the backup. */
name: string | null,
/** File to read. */
file: string,
/** Opens an age backup. */
passphrase: string | null, };

/** See [`Request::IdNew`]. */
export type IdNew = {
/** Local name, unique. */
name: string, };

/** See [`Request::IdRename`]. */
export type IdRename = {
/** Local name or key. */
identity: string,
/** New local name. */
name: string, };

/** An identity, without its secret. */
export type IdentityInfo = {
/** Local name. */
name: string,
/** Public key, hex. */
key: string,
/** 16 groups of 4. */
fingerprint: string,
/** Link, without read key. */
link: string,
/** Whether it published a private channel; none: nothing published yet. */
private: boolean | null,
/** When it was made, ms since 1970. */
created: number,
/** Where the secret is kept: "keyring" or "vault". */
kept: string, };

/** What a folder holds at its top, and in all; counting stops at a bound. */
export type Inside = {
/** Files in all. */
files: number,
/** Bytes in all. */
bytes: number,
/** The counts are lower bounds: the folder was too large to count at once. */
more: boolean,
/** Its direct children, folders first, at most 50. */
entries: Array<InsideEntry>,
/** Files that will be left out, with the reason; the first 20. */
left_out: Array<LeftOut>,
/** How many will be. */
lost: number, };

/** See [`Request::Inside`]. */
export type InsideArg = {
/** A file or folder of this computer. */
path: string, };

/** One child of a folder, with the sums over what lies below it. */
export type InsideEntry = {
/** Its name: hostile text. */
name: string,
/** It is a folder. */
folder: boolean,
/** Files in it; 1 for a file. */
files: number,
/** Their bytes. */
bytes: number, };

/** An item by ID or unique prefix, or `channel/item`. */
export type ItemArg = {
/** Item. */
item: string, };

/** An item. */
export type ItemInfo = {
/** ID, hex. */
id: string,
/** Channel key, hex. */
channel: string,
/** Title: hostile text. */
name: string,
/** Description: hostile text. */
about: string,
/** ms since 1970. */
published: number,
/** Files. */
files: number,
/** Media type of its only file, as published. */
mime?: string,
/** Plain bytes. */
bytes: number,
/** Plain bytes here, verified. */
have: number,
/** Bytes a second now. */
rate: number,
/** State. */
state: ItemState,
/** Why it does not move. */
cause: Cause | null,
/** Where it lies on disk. */
path: string | null,
/** Files left out. */
left_out: Array<LeftOut>,
/** No rule and no quota removes it. */
pinned?: boolean,
/** When it is fetched. */
priority?: ItemPriority,
/** It is kept only encrypted: there are no files. */
encrypted?: boolean,
/** Plain bytes of its files that are not wanted. */
skipped?: number,
/** How many files these are. */
skipped_files?: number, };

/** When an item is fetched. */
export type ItemPriority = "low" | "normal" | "high";

/** Where an item stands. */
export type ItemState = "listed" | "waiting" | "fetching" | "complete" | "paused" | "published" | "changed";

/** What of a channel stays here; what is pinned stays in any case. */
export type KeepRule = "all" | { "newest": number } | { "days": number } | { "bytes": number };

/** See [`Request::Leak`]. */
export type Leak = {
/** How long to watch. */
seconds: number, };

/** What this process had open while it was watched. */
export type LeakReport = {
/** The route, without a login. */
route: string,
/** How long it was watched. */
seconds: number,
/** How often all sockets were looked at. */
looks: number,
/** Where connections of the route led: the proxy, or Tor on this computer. */
through: Array<string>,
/** What went, or could have gone, another way. */
elsewhere: Array<string>, };

/** A file left out. */
export type LeftOut = {
/** Path: hostile text. */
path: string,
/** Why, in English. */
why: string,
/** The same as a code. */
code: LeftOutReason, };

/** Why a file is left out: a closed list, to be said in every language. */
export type LeftOutReason = { "reason": "empty" } | { "reason": "outside" } | { "reason": "character",
/** The character. */
character: string, } | { "reason": "invisible",
/** Its number, such as `U+202E`. */
code: string, } | { "reason": "device",
/** The name. */
name: string, } | { "reason": "trailing" } | { "reason": "long",
/** Bytes that it has. */
bytes: number,
/** Bytes that can be stored. */
most: number, } | { "reason": "deep" } | { "reason": "same" } | { "reason": "link" } | { "reason": "no_file" } | { "reason": "empty_folder" } | { "reason": "no_text" } | { "reason": "unreadable" } | { "reason": "secret" } | { "reason": "other" };

/** Space that is lent to followed channels, and what fills it. */
export type Lending = {
/** Bytes that may be kept there. */
space: number,
/** Bytes that are. */
kept: number,
/** Bytes a second that come in for it now. */
rate: number,
/** Paused by the user. */
paused: boolean,
/** Something else is being fetched: it waits for an idle line. */
waits: boolean, };

/** A link. */
export type LinkArg = {
/** `megatorrent://…` */
link: string, };

/** See [`Request::ParseLink`]. */
export type LinkInfo = {
/** Key, hex. */
key: string,
/** 16 groups of 4. */
fingerprint: string,
/** It carries a read key. */
private: boolean,
/** Hosts it names. */
bootstrap: Array<string>,
/** Followed already. */
known: boolean,
/** Ours. */
own: boolean, };

/** See [`Request::Locate`]. */
export type Locate = {
/** Item. */
item: string,
/** The file, or the folder that holds the item's files, now. */
path: string, };

/** See [`Request::Look`]. */
export type Looked = {
/** The channel. */
channel: ChannelInfo,
/** Its items. */
items: Array<ItemInfo>,
/** Why there may be a newer list than this one, if nobody could be asked. */
stale?: string, };

/** See [`Request::MoveData`]. */
export type MoveData = {
/** The new download folder. */
dir: string, };

/** How far a move of all downloads is. */
export type MoveProgress = {
/** Bytes moved. */
done: number,
/** Bytes in all. */
total: number, };

/** An onion address of ours. */
export type OnionInfo = {
/** The channel whose peers are told of it, and no others. */
channel: string,
/** The address with its port. */
addr: string,
/** Tor has told its network of it. */
published: boolean,
/** Why Tor does not make it. */
why: string | null, };

/** See [`Request::PauseFor`]. */
export type PauseFor = {
/** From 1 second to 31 days. */
seconds: number, };

/** A connected peer. */
export type PeerInfo = {
/** `host:port`. */
addr: string,
/** "direct", "onion". */
kind: string,
/** Speaks v5 without extensions. */
v5: boolean,
/** It dialled us. */
inbound: boolean,
/** Blob bytes received. */
received: number,
/** Blob bytes sent. */
sent: number,
/** Set: it is not connected, and nothing is asked of it for a while. Then `addr` may also be a host or a network, all of
 * whose places that is said of. */
banned?: Banned, };

/** See [`Request::Place`]. */
export type PlaceArg = {
/** Item. */
item: string,
/** A file's path as [`Request::Files`] tells it; without one, the folder. */
path: string | null, };

/** See [`Request::Play`]. */
export type Playable = {
/** `http://127.0.0.1:…`; holds until the node stops or 64 newer ones were asked for. */
url: string,
/** Media type. */
mime: string, };

/** See [`Request::Publish`]. */
export type Publish = {
/** Files and folders. One folder becomes the item; several paths become one item. */
paths: Array<string>,
/** Local name or key of the identity. */
identity: string,
/** Private: only holders of the read key can read. Must fit what the channel already is. */
private: boolean,
/** Title; default: the file's or folder's name. */
title: string | null,
/** Description. */
about: string | null,
/** Replace this item. */
update: string | null,
/** Publish this channel through these gateways only (`host:port`), never the DHT; kept for its later updates. */
gateway: Array<string>,
/** What this publication is called while it is under way, 64 bytes at most: its progress carries the name, and
 * [`Request::CancelPublish`] takes it. Without one the node makes one. */
job?: string | null, };

/** A publication's progress. */
export type PublishProgress = {
/** Which publication: its title. */
title: string,
/** "scan", "seal", "wait" (sealed; nothing can leave yet), "announce", "publish". */
stage: string,
/** Bytes read and sealed. */
done: number,
/** Bytes in all, once known. */
total: number,
/** Topics announced. */
announced: number,
/** Topics to announce before the manifest goes out. */
to_announce: number,
/** What [`super::Request::CancelPublish`] calls it off by: the name that its caller gave, or one that the node made. */
job?: string,
/** While it waits: for what. */
cause?: Cause,
/** Once it is sealed: the link that leads to it, with the read key if it is private. */
link?: string, };

/** See [`Request::Publish`], [`Request::Unpublish`] and [`Request::Edit`]. */
export type Published = {
/** With the read key, if private. */
link: string,
/** Item ID, if one was written. */
item: string | null,
/** New sequence. */
sequence: number,
/** DHT nodes that acknowledged the manifest. */
dht_nodes: number,
/** Gateways that took it. */
gateways: number,
/** Gateways that showed it afterwards though another one had taken it. */
shown_by: number,
/** Peers it was pushed to at once. */
pushed: number,
/** Files in it. */
files: number,
/** Plain bytes. */
bytes: number,
/** Blobs. */
blobs: number,
/** Files left out, with the reason. */
left_out: Array<LeftOut>,
/** Whether a node keeps running that seeds it. */
seeding: boolean,
/** Items in the list. */
items?: number,
/** Of these, items that clients of version 5 see; none: a private list, which they cannot read at all. */
v5_items?: number, };

/** A damaged database that was made anew. */
export type Rebuilt = {
/** Rows that were saved. */
rows: number,
/** Tables of which a part could not be read. */
torn: Array<string>,
/** Downloads that are planned again: what lies there of them is recognised. */
replanned: number,
/** Items published from here of which it is not known any more where their files lie. */
unshared: number,
/** Where the damaged database is now. */
kept: string, };

/** See [`Request::Remove`]. */
export type Remove = {
/** Item. */
item: string,
/** Delete its files too (never files that were published from here). */
delete: boolean, };

/** What comes back. */
export type Reply = { "kind": "done" } | { "kind": "identity", "value": IdentityInfo } | { "kind": "identities", "value": Array<IdentityInfo> } | { "kind": "published", "value": Published } | { "kind": "link", "value": LinkInfo } | { "kind": "looked", "value": Looked } | { "kind": "channel", "value": ChannelInfo } | { "kind": "channels", "value": Array<ChannelInfo> } | { "kind": "items", "value": Array<ItemInfo> } | { "kind": "files", "value": Array<FileInfo> } | { "kind": "got", "value": Got } | { "kind": "verified", "value": VerifyReport } | { "kind": "kept", "value": Array<string> } | { "kind": "place", "value": string } | { "kind": "playable", "value": Playable } | { "kind": "inside", "value": Inside } | { "kind": "status", "value": Status } | { "kind": "transfers", "value": Array<ItemInfo> } | { "kind": "peers", "value": Array<PeerInfo> } | { "kind": "link_text", "value": string } | { "kind": "settings", "value": Settings } | { "kind": "leak", "value": LeakReport } | { "kind": "given_up", "value": GivenUp } | { "kind": "watching", "value": Snapshot };

/** What can be asked of a node: a verb and its arguments. */
export type Request = { "method": "id_new", "params": IdNew } | { "method": "id_list" } | { "method": "id_export", "params": IdExport } | { "method": "id_import", "params": IdImport } | { "method": "id_rename", "params": IdRename } | { "method": "publish", "params": Publish } | { "method": "cancel_publish", "params": CancelPublish } | { "method": "unpublish", "params": Unpublish } | { "method": "edit", "params": Edit } | { "method": "parse_link", "params": LinkArg } | { "method": "look", "params": LinkArg } | { "method": "subscribe", "params": Subscribe } | { "method": "unsubscribe", "params": Unsubscribe } | { "method": "channels" } | { "method": "items", "params": ChannelArg } | { "method": "files", "params": ItemArg } | { "method": "get", "params": Get } | { "method": "pause", "params": Target } | { "method": "resume", "params": Target } | { "method": "remove", "params": Remove } | { "method": "verify", "params": ItemArg } | { "method": "locate", "params": Locate } | { "method": "place", "params": PlaceArg } | { "method": "inside", "params": InsideArg } | { "method": "play", "params": FileArg } | { "method": "status" } | { "method": "transfers" } | { "method": "peers" } | { "method": "channel_link", "params": ChannelArg } | { "method": "set_channel", "params": SetChannel } | { "method": "set_item", "params": SetItem } | { "method": "choose", "params": Choose } | { "method": "open", "params": ItemArg } | { "method": "pause_for", "params": PauseFor } | { "method": "move_data", "params": MoveData } | { "method": "rekey", "params": ChannelArg } | { "method": "new_key", "params": LinkArg } | { "method": "search", "params": Search } | { "method": "settings" } | { "method": "set_settings", "params": Settings } | { "method": "unlock", "params": Unlock } | { "method": "give_up", "params": GiveUp } | { "method": "leak", "params": Leak } | { "method": "watch" } | { "method": "shutdown" };

/** The way out and in. */
export type RouteInfo = {
/** As it is written, without a login: "direct", "tor", "direct+tor", "socks5://127.0.0.1:1080". */
route: string,
/** Its kind. */
kind: RouteKind,
/** Whether anything can leave. */
state: RouteStanding,
/** Tor: our onion addresses, one for each channel. */
onions: Array<OnionInfo>,
/** Tor: why nobody can reach us by an onion address. */
no_inbound: string | null, };

/** Which kind of way out. */
export type RouteKind = "direct" | "proxy" | "tor" | "both";

/** What is wrong with a way out: a closed list, to be said in every language. */
export type RouteReason = "proxy_refused" | "proxy_unreachable" | "proxy_silent" | "no_socks" | "login_wanted" | "login_refused" | "no_tor" | "tor_ended" | "control_refused" | "no_circuits" | "other";

/** Whether anything can leave. */
export type RouteStanding = { "state": "starting",
/** Tor's own count; 0 where there is none. */
percent: number, } | { "state": "up" } | { "state": "down",
/** Why, in English. */
why: string,
/** The same as a code. */
reason: RouteReason, };

/** See [`Request::Search`]. */
export type Search = {
/** Words, or beginnings of words: an item has all of them. */
text: string,
/** Only in this channel. */
channel: string | null,
/** At most so many; 0: 100. */
limit: number, };

/** See [`Request::SetChannel`]. */
export type SetChannel = {
/** Key, name or link. */
channel: string,
/** What is fetched on its own. */
fetch: FetchRule | null,
/** What stays here; the rest is deleted. */
keep: KeepRule | null,
/** Whether downloads from now on are kept only encrypted. */
encrypted: boolean | null,
/** Whether the blobs of a private channel of a v5 author are looked up by ID: then whoever watches the DHT sees that
 * this node's address asks for them. */
look_up?: boolean, };

/** See [`Request::SetItem`]. */
export type SetItem = {
/** Item. */
item: string,
/** No rule and no quota removes it. */
pinned: boolean | null,
/** When it is fetched. */
priority: ItemPriority | null, };

/** Settings that can be changed while running. */
export type Settings = {
/** Where downloads go. */
download_dir?: string | null,
/** Serve as a gateway for others' manifests. */
gateway?: boolean | null,
/** The way out: `direct`, `tor`, `tor://own`, `tor://IP:PORT` (a running tor's control port) or
 * `socks5://[user:password@]IP:PORT`. Told without the login. */
route?: string | null,
/** Gateways for every channel where there is no DHT (`host:port`), at most 16. */
gateways?: Array<string> | null,
/** Bytes a second in, of all peers together; 0: no limit. */
down?: number,
/** Bytes a second out; 0: no limit. */
up?: number,
/** Bytes a second in, of each peer; 0: no limit. */
peer_down?: number,
/** Bytes a second out, to each peer; 0: no limit. */
peer_up?: number,
/** Bytes in and out in a calendar month; 0: no limit. */
month?: number,
/** Bytes that downloads and blobs may take on the disk; 0: no limit. */
quota?: number,
/** Bytes lent to followed channels: parts that few others hold are kept there, sealed; 0: none. */
lend?: number,
/** Of these, bytes for each channel; 0: as many as are lent in all. */
lend_channel?: number,
/** Bytes a second in for what is lent; 0: no limit of its own. */
lend_rate?: number,
/** Nothing is fetched for what is lent; what is kept there stays, and is given. */
lend_paused?: boolean,
/** Bytes of blobs that the list of one channel may be made of, whether its items are fetched or not; 0: as many as
 * usual, which is 1 GiB. */
list_max?: number,
/** Find neighbours on the local network, and be found. A neighbour who knows a channel's link can tell that you
 * follow it. */
lan?: boolean,
/** Ask the router for a port, so that others can reach this node. */
port_mapping?: boolean,
/** Weekly schedule, such as `mon-fri 08:00-18:00 off; daily 22:00-06:00 down 200k up 50k`; empty: none. */
schedule?: string, };

/** All that a listener needs to start. */
export type Snapshot = {
/** State. */
status: Status,
/** Channels. */
channels: Array<ChannelInfo>,
/** Items that move, wait or were just finished. */
transfers: Array<ItemInfo>, };

/** The node's state. */
export type Status = {
/** Program version. */
version: string,
/** Data folder. */
data_dir: string,
/** Listening address. */
listen: string | null,
/** Why it does not listen, though it should: the listener broke, and is being made again. */
listen_lost?: string,
/** DHT: nodes known; none: no DHT. */
dht_nodes: number | null,
/** Connected peers. */
peers: number,
/** Followed channels. */
channels: number,
/** Own channels. */
own: number,
/** Blobs held. */
blobs: number,
/** Topics announced in this cycle. */
announced: number,
/** Topics to announce in a cycle. */
to_announce: number,
/** Bytes a second in. */
down: number,
/** Bytes a second out. */
up: number,
/** Bytes received from peers since start. */
received: number,
/** Bytes sent to peers since start. */
sent: number,
/** Everything is paused by the user, for a while or for good. */
paused: boolean,
/** Where a router lets the world in to this node. */
mapped?: string,
/** Why nothing moves at all, if nothing may. */
held?: Cause,
/** Bytes on the disk that count against the quota. */
used?: number,
/** Of these, bytes kept for others in the space that is lent. */
lent?: number,
/** How lending goes; none: nothing is lent. */
lending?: Lending,
/** The DHT was asked only a moment ago: that no node is known yet means nothing. */
dht_asking?: boolean,
/** Bytes in and out this month. */
month_used?: number,
/** Secrets: "keyring", "vault" (open), "locked" (a vault that waits for its passphrase), "none" (no keyring, and no
 * vault made yet), "keyring_locked" (a keyring that does not open has them), "keyring_unused" (nothing is kept yet,
 * and the keyring is locked: it can be unlocked, or a vault made). */
secrets: string,
/** The way out and in. */
route: RouteInfo, };

/** See [`Request::Subscribe`]. */
export type Subscribe = {
/** `megatorrent://…` */
link: string,
/** What to fetch. */
fetch: FetchRule, };

/** What to pause or resume. */
export type Target = "all" | { "channel": string } | { "item": string };

/** See [`Request::Unlock`]. */
export type Unlock = {
/** Opens the vault; empty: only the keyring is tried. */
passphrase: string, };

/** See [`Request::Unpublish`]. */
export type Unpublish = {
/** Item ID, or `channel/item`. */
item: string, };

/** See [`Request::Unsubscribe`]. */
export type Unsubscribe = {
/** Key, name or link. */
channel: string,
/** Delete its files too. */
delete: boolean, };

/** See [`Request::Verify`]. */
export type VerifyReport = {
/** Blobs read and right. */
good: number,
/** Blobs missing or wrong; fetched again if the item is a download. */
bad: number,
/** Files concerned. */
files: Array<string>,
/** Of those, files that were changed here: they stay as they are, and the published version comes beside them. */
kept: Array<string>, };

/** See [`Event::Waiting`]. */
export type Waiting = {
/** Key of the channel that it is about. */
channel: string,
/** Why it waits. */
cause: Cause, };
