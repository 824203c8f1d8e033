// Every verb, reply, event and error code of the program.
// Written from crates/node/src/api.rs by `cargo xtask types`; a test fails when the two differ.
// Sizes, counts and times are whole numbers below 2^53; paths are text.

export type Cause = { "cause": "no_peers_known", asked: number, } | { "cause": "none_online", known: number, } | { "cause": "nobody_has_it", connected: number, } | { "cause": "no_manifest" } | { "cause": "dht_unreachable" } | { "cause": "paused" } | { "cause": "queued" } | { "cause": "disk_full", free: number, needed: number, } | { "cause": "files_changed", files: number, } | { "cause": "folder_not_writable", path: string, } | { "cause": "bad_content", what: string, } | { "cause": "locked" };

export type ChannelArg = { channel: string, };

export type ChannelInfo = { key: string, fingerprint: string, name: string, about: string, private: boolean, own: boolean, sequence: number, items: number, complete: number, bytes: number, checked: number | null, seen_by: number | null, peers: number, signed_twice: boolean, paused: boolean, fetch: FetchRule, cause: Cause | null, };

export type Code = "bad_link" | "other_read_key" | "wrong_read_key" | "not_found" | "ambiguous" | "exists" | "bad_argument" | "kind_mismatch" | "not_own" | "io" | "disk_full" | "source_changed" | "secrets" | "wrong_passphrase" | "not_published" | "timed_out" | "cancelled" | "busy" | "port_taken" | "corrupt" | "bad_content" | "stopping" | "internal";

export type Edit = { what: string, name: string | null, about: string | null, };

export type ErrorInfo = { code: Code, message: string, };

export type Event = { "event": "snapshot", "data": Snapshot } | { "event": "status", "data": Status } | { "event": "channel", "data": ChannelInfo } | { "event": "channel_gone", "data": string } | { "event": "item", "data": ItemInfo } | { "event": "item_gone", "data": [string, string] } | { "event": "ready", "data": ItemInfo } | { "event": "publishing", "data": PublishProgress } | { "event": "notice", "data": ErrorInfo };

export type FetchRule = "all" | { "newest": number } | "none";

export type FileInfo = { path: string, size: number, have: number, mime: string | null, };

export type Get = { what: string, dir: string | null, };

export type Got = { items: Array<ItemInfo>, };

export type IdExport = { identity: string, file: string, passphrase: string, };

export type IdImport = { name: string | null, file: string, passphrase: string | null, };

export type IdNew = { name: string, };

export type IdRename = { identity: string, name: string, };

export type IdentityInfo = { name: string, key: string, fingerprint: string, link: string, private: boolean | null, created: number, kept: string, };

export type ItemArg = { item: string, };

export type ItemInfo = { id: string, channel: string, name: string, about: string, published: number, files: number, bytes: number, have: number, rate: number, state: ItemState, cause: Cause | null, path: string | null, left_out: Array<LeftOut>, };

export type ItemState = "listed" | "waiting" | "fetching" | "complete" | "paused" | "published" | "changed";

export type LeftOut = { path: string, why: string, };

export type LinkArg = { link: string, };

export type LinkInfo = { key: string, fingerprint: string, private: boolean, bootstrap: Array<string>, known: boolean, own: boolean, };

export type Locate = { item: string, path: string, };

export type Looked = { channel: ChannelInfo, items: Array<ItemInfo>, };

export type PeerInfo = { addr: string, kind: string, v5: boolean, inbound: boolean, received: number, sent: number, };

export type Publish = { paths: Array<string>, identity: string, private: boolean, title: string | null, about: string | null, update: string | null, gateway: Array<string>, };

export type PublishProgress = { title: string, stage: string, done: number, total: number, announced: number, to_announce: number, };

export type Published = { link: string, item: string | null, sequence: number, dht_nodes: number, gateways: number, pushed: number, files: number, bytes: number, blobs: number, left_out: Array<LeftOut>, seeding: boolean, };

export type Remove = { item: string, delete: boolean, };

export type Reply = { "kind": "done" } | { "kind": "identity", "value": IdentityInfo } | { "kind": "identities", "value": Array<IdentityInfo> } | { "kind": "published", "value": Published } | { "kind": "link", "value": LinkInfo } | { "kind": "looked", "value": Looked } | { "kind": "channel", "value": ChannelInfo } | { "kind": "channels", "value": Array<ChannelInfo> } | { "kind": "items", "value": Array<ItemInfo> } | { "kind": "files", "value": Array<FileInfo> } | { "kind": "got", "value": Got } | { "kind": "verified", "value": VerifyReport } | { "kind": "status", "value": Status } | { "kind": "transfers", "value": Array<ItemInfo> } | { "kind": "peers", "value": Array<PeerInfo> } | { "kind": "link_text", "value": string } | { "kind": "settings", "value": Settings } | { "kind": "watching", "value": Snapshot };

export type Request = { "method": "id_new", "params": IdNew } | { "method": "id_list" } | { "method": "id_export", "params": IdExport } | { "method": "id_import", "params": IdImport } | { "method": "id_rename", "params": IdRename } | { "method": "publish", "params": Publish } | { "method": "unpublish", "params": Unpublish } | { "method": "edit", "params": Edit } | { "method": "parse_link", "params": LinkArg } | { "method": "look", "params": LinkArg } | { "method": "subscribe", "params": Subscribe } | { "method": "unsubscribe", "params": Unsubscribe } | { "method": "channels" } | { "method": "items", "params": ChannelArg } | { "method": "files", "params": ItemArg } | { "method": "get", "params": Get } | { "method": "pause", "params": Target } | { "method": "resume", "params": Target } | { "method": "remove", "params": Remove } | { "method": "verify", "params": ItemArg } | { "method": "locate", "params": Locate } | { "method": "status" } | { "method": "transfers" } | { "method": "peers" } | { "method": "channel_link", "params": ChannelArg } | { "method": "settings" } | { "method": "set_settings", "params": Settings } | { "method": "unlock", "params": Unlock } | { "method": "watch" } | { "method": "shutdown" };

export type Settings = { download_dir: string | null, gateway: boolean | null, };

export type Snapshot = { status: Status, channels: Array<ChannelInfo>, transfers: Array<ItemInfo>, };

export type Status = { version: string, data_dir: string, listen: string | null, dht_nodes: number | null, peers: number, channels: number, own: number, blobs: number, announced: number, to_announce: number, down: number, up: number, received: number, sent: number, paused: boolean, secrets: string, };

export type Subscribe = { link: string, fetch: FetchRule, };

export type Target = "all" | { "channel": string } | { "item": string };

export type Unlock = { passphrase: string, };

export type Unpublish = { item: string, };

export type Unsubscribe = { channel: string, delete: boolean, };

export type VerifyReport = { good: number, bad: number, files: Array<string>, };
