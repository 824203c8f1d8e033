//! What the members of the private network are configured with, and what their folders tell.

use std::net::SocketAddr;
use std::path::Path;

/// For all. KIST, tor's own scheduler, would cost 5 to 20 ms for each round trip.
pub(super) const COMMON: &str = "\
TestingTorNetwork 1
AssumeReachable 1
PathsNeededToBuildCircuits 0.25
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
TestingMinFastFlagThreshold 0
EnforceDistinctSubnets 0
V3AuthNIntervalsValid 3
SafeLogging 0
AvoidDiskWrites 1
ShutdownWaitLength 0
Address 127.0.0.1
AddressDisableIPv6 1
NumCPUs 1
Schedulers Vanilla
";

/// A policy of loopback alone would read as "no exit"; the bound address keeps it there.
pub(super) const RELAY: &str = "\
OutboundBindAddress 127.0.0.1
SocksPort 0
ExitRelay 1
ExitPolicyRejectPrivate 0
ExitPolicyRejectLocalInterfaces 0
ExitPolicy accept *:*
ServerDNSDetectHijacking 0
ServerDNSAllowBrokenConfig 1
ServerDNSTestAddresses
PublishServerDescriptor 1
DirCache 1
";

pub(super) const AUTHORITY: &str = "\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo tests@test.invalid
TestingV3AuthInitialVotingInterval 300
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 20
V3AuthVoteDelay 2
V3AuthDistDelay 2
AuthDirFastGuarantee 1
AuthDirMaxServersPerAddr 0
";

pub(super) const CLIENT: &str = "\
ClientOnly 1
ClientRejectInternalAddresses 0
ClientDNSRejectInternalAddresses 0
UseEntryGuards 0
VanguardsLiteEnabled 0
LearnCircuitBuildTimeout 0
CircuitBuildTimeout 10
CircuitStreamTimeout 10
ConnectionPadding 0
CircuitPadding 0
ConfluxEnabled 0
DormantTimeoutEnabled 0
DormantCanceledByStartup 1
";

/// A control port with a cookie, both named by files in the folder.
pub(super) fn control(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "ControlPort 127.0.0.1:auto\nControlPortWriteToFile {folder}/control_port\nCookieAuthentication 1\n\
         CookieAuthFile {folder}/control_auth_cookie\n"
    )
}

/// The control port, once it is open.
pub(super) fn port(folder: &Path) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(folder.join("control_port")).ok()?;
    text.strip_prefix("PORT=")?.trim().parse().ok()
}

pub(super) fn has_consensus(folder: &Path) -> bool {
    folder.join("cached-microdesc-consensus").exists()
}

/// Whether it has the consensus and more than so many short descriptors.
pub(super) fn informed(folder: &Path, more_than: usize) -> bool {
    let known = ["cached-microdescs", "cached-microdescs.new"].map(|name| {
        let text = std::fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&text).matches("\nntor-onion-key ").count()
    });
    has_consensus(folder) && known.into_iter().any(|known| known > more_than)
}

/// The last warnings in its log.
pub(super) fn warnings(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("notice.log")).unwrap_or_default();
    let bad: Vec<&str> = log.lines().filter(|line| line.contains("[warn]") || line.contains("[err]")).collect();
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    bad.iter().rev().take(3).rev().map(|line| format!("{name}: {line}\n")).collect()
}
