//! Every number that two implementations must agree on stands here, once. Tuning numbers live in `node::config`.

/// Plain bytes in a blob: 1 MiB (§3).
pub const CHUNK_LEN: usize = 1 << 20;
/// Bytes of a Poly1305 tag.
pub const TAG_LEN: usize = 16;
/// Bytes of every blob, sealed: 1 MiB and its tag (§3).
pub const BLOB_LEN: usize = CHUNK_LEN + TAG_LEN;
/// Version that HELLO names (§2.3).
pub const VERSION: u64 = 5;
/// Largest JSON of a manifest, bytes: a DHT value may have 1000 bencoded bytes, four of which are `996:` (§1.2, BEP 44).
pub const MANIFEST_MAX: usize = 996;
/// Highest sequence (milliseconds since 1970), and highest number in any JSON: the largest integer that JavaScript
/// holds exactly (§1.2, E4).
pub const SEQUENCE_MAX: u64 = (1 << 53) - 1;
/// Largest `N` of a frame while a REQUEST of ours is open: type byte, a whole blob, tag (§2.2).
pub const FRAME_MAX_BLOB: usize = 1 + BLOB_LEN + TAG_LEN;
/// Largest `N` of any other frame: type byte, 128 KiB and a little, tag (§2.2).
pub const FRAME_MAX: usize = 131_093;
/// Smallest legal `N`: the type byte and the tag (§2.2).
pub const FRAME_MIN: usize = 1 + TAG_LEN;
/// Bytes of a DATA frame's payload between peers that both `split` (E5).
pub const SPLIT_LEN: usize = 64 * 1024;
/// Channels that one HELLO may name (E3).
pub const HELLO_CHANNELS_MAX: usize = 64;
/// Tokens of 16 bytes that one HELLO may carry (E7).
pub const HELLO_TOKENS_MAX: usize = 256;
/// Blob IDs that one HAVE_QUERY may name (E5).
pub const HAVE_QUERY_MAX: usize = 4096;
/// HAVE_QUERYs held per connection (E5).
pub const HAVE_QUERIES_HELD: usize = 64;
/// Addresses that one PEERS may carry (§2.3).
pub const PEERS_MAX: usize = 200;
/// Bytes of one record of a tree's table: blob ID (32), key (32), nonce (12), in this order (E1).
pub const RECORD_LEN: usize = 32 + 32 + 12;
/// Records that one table holds (E1).
pub const FANOUT: u64 = (CHUNK_LEN / RECORD_LEN) as u64;
/// Deepest tree (E1).
pub const DEPTH_MAX: u8 = 2;
/// Longest tree stream, bytes: depth 2 (E1).
pub const TREE_SIZE_MAX: u64 = FANOUT * FANOUT * CHUNK_LEN as u64;
/// Largest body stream, bytes (E2).
pub const BODY_MAX: u64 = 16 << 20;
/// Largest page stream, bytes (E2).
pub const PAGE_MAX: u64 = 8 << 20;
/// Items on one page (E2).
pub const PAGE_ITEMS_MAX: usize = 1000;
/// Files that an item names inline; more go to `filesTree` (E2).
pub const INLINE_FILES_MAX: usize = 1000;
/// Items in the list of one channel, in its body and on its pages, that a reader keeps (E2).
pub const LIST_ITEMS_MAX: u64 = 250_000;
/// Bytes of all titles, descriptions and left-out paths of one list that a reader keeps (E2).
pub const LIST_TEXTS_MAX: u64 = 64 << 20;
/// Bytes of blobs (body, pages, their tables) that a reader opens for one list, unless its user says otherwise (E2).
pub const LIST_BYTES_MAX: u64 = 1 << 30;
/// Chunks of all files of one item that a reader plans: 16 TiB in full chunks (E2).
pub const ITEM_CHUNKS_MAX: u64 = 16 << 20;
/// Files and folders of one item (E2).
pub const ITEM_NAMES_MAX: usize = 500_000;
/// Bytes of the paths of one item's files, in all (E2).
pub const ITEM_PATHS_MAX: usize = 32 << 20;
/// Peers that a body names (E2).
pub const BODY_PEERS_MAX: usize = 8;
/// `bootstrap` addresses that a link carries (§ links).
pub const LINK_PEERS_MAX: usize = 4;
