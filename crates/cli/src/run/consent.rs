//! A question that only a person can answer, where one sits at the terminal.

use super::failure::Failure;
use crate::door::Door;
use node::api::{Code, Request, SetChannel};
use std::io::{IsTerminal as _, Write as _};

/// Puts the node's question to the person at the terminal, if one is there. True: allowed, so the command goes on.
pub(super) async fn given(
    failure: &Failure,
    channel: Option<&str>,
    json: bool,
    door: &mut Door,
) -> Result<bool, Failure> {
    let (Failure::Refused(error), Some(channel)) = (failure, channel) else { return Ok(false) };
    let person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if error.code != Code::AskFirst || json || !person {
        return Ok(false);
    }
    let typed = tokio::task::spawn_blocking(|| {
        let mut stderr = std::io::stderr().lock();
        stderr
            .write_all(
                b"Nobody is met who follows this private channel. Its author's program lets its parts be found by their \
                  IDs only.\nThese are the same every day: whoever watches the DHT sees that this computer's address \
                  asks for them,\nand who knows the channel knows what it is.\nLook them up? [y/N] ",
            )
            .and_then(|()| stderr.flush())?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let typed = typed.await.map_err(|_| Failure::Interrupted)?;
    if !typed.is_ok_and(|line| is_yes(&line)) {
        return Ok(false);
    }
    let allow = SetChannel { channel: channel.to_owned(), look_up: Some(true), ..SetChannel::default() };
    door.call(Request::SetChannel(allow)).await.map(|_| true)
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for yes in ["y\n", " YES \n", "Yes"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yess\n", "no\n", "1\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
