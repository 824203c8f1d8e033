//! Where a passphrase comes from: a file or stdin when asked, the environment, else a person at the terminal. Never an argument,
//! which would stand in the process list.

use crate::args::PassFrom;
use crate::run::Failure;
use node::api::{Code, ErrorInfo};
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use zeroize::Zeroizing;

/// The variable that holds it.
const VARIABLE: &str = "MEGATORRENT_PASSPHRASE";
/// Bytes that a line of stdin may have.
const MAX_LINE: u64 = 64 << 10;

/// The sources of this run, and what was read already: stdin gives its line once.
pub(crate) struct Passphrases {
    from: Option<PassFrom>,
    read: Option<Zeroizing<String>>,
}

impl Passphrases {
    /// `from`: what `--passphrase` says.
    pub(crate) fn new(from: Option<PassFrom>) -> Self {
        Self { from, read: None }
    }

    /// The passphrase that needs nobody to be asked, if there is one.
    pub(crate) fn at_hand(&mut self) -> Result<Option<Zeroizing<String>>, Failure> {
        if self.read.is_none() {
            // What this very command says goes before what its surroundings say.
            self.read = match (&self.from, std::env::var(VARIABLE)) {
                (Some(PassFrom::Stdin), _) => Some(line_of_stdin("passphrase")?),
                (Some(PassFrom::File(path)), _) => Some(line_of_file(path)?),
                (None, Ok(value)) if !value.is_empty() => Some(Zeroizing::new(value)),
                (None, Err(std::env::VarError::NotUnicode(_))) => {
                    return Err(no_passphrase(format!("{VARIABLE} is not valid UTF-8")));
                }
                (None, _) => None,
            };
        }
        Ok(self.read.clone())
    }

    /// The passphrase at hand, or the one that a person types now; `new`: typed twice, and long enough to seal something.
    pub(crate) async fn ask(&mut self, what: &str, new: bool) -> Result<Zeroizing<String>, Failure> {
        if let Some(passphrase) = self.at_hand()? {
            return if new { long_enough(passphrase) } else { Ok(passphrase) };
        }
        if !std::io::stdin().is_terminal() {
            return Err(no_passphrase(format!(
                "{what} needs a passphrase. Set {VARIABLE}, or give --passphrase - and the passphrase on stdin."
            )));
        }
        let prompt = format!("{what}: {}: ", if new { "new passphrase" } else { "passphrase" });
        let echo = Echo::save();
        let typed = tokio::task::spawn_blocking(move || type_in(&prompt, new)).await;
        drop(echo);
        typed.map_err(|_| Failure::Interrupted)?
    }

    /// Whether a wrong one can be typed again: nobody can answer for a variable or a pipe.
    pub(crate) fn asks_a_person(&self) -> bool {
        self.read.is_none() && std::io::stdin().is_terminal()
    }
}

/// Puts the terminal back as it was, also when Ctrl-C leaves a prompt behind that had turned its echo off.
struct Echo {
    #[cfg(unix)]
    saved: Option<rustix::termios::Termios>,
}

impl Echo {
    #[cfg(unix)]
    fn save() -> Self {
        Self { saved: rustix::termios::tcgetattr(std::io::stdin()).ok() }
    }
    #[cfg(not(unix))]
    fn save() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // The terminal may be gone; then nobody sees its echo.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, saved);
        }
    }
}

fn type_in(prompt: &str, new: bool) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: std::io::Error| {
        no_passphrase(format!("The terminal cannot be read: {}", node::words::without_number(error)))
    };
    let first = Zeroizing::new(rpassword::prompt_password(prompt).map_err(failed)?);
    if first.is_empty() {
        return Err(no_passphrase("The passphrase is empty".into()));
    }
    if new {
        let first = long_enough(first)?;
        let second = Zeroizing::new(rpassword::prompt_password("The same again: ").map_err(failed)?);
        if *first != *second {
            return Err(no_passphrase("The two passphrases differ".into()));
        }
        return Ok(first);
    }
    Ok(first)
}

/// A new passphrase, unless it is too short.
fn long_enough(passphrase: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
    if node::is_short_passphrase(&passphrase) {
        return Err(no_passphrase(format!("A passphrase has at least {} characters", node::PASSPHRASE_MIN)));
    }
    Ok(passphrase)
}

/// The first line of stdin without its end: a passphrase, which must not stand in the process list.
pub(crate) fn line_of_stdin(what: &str) -> Result<Zeroizing<String>, Failure> {
    first_line(std::io::stdin().lock(), "Standard input", what, false)
}

/// The first line of stdin that is not blank: a link or a route. The file that it comes from may begin as it likes.
pub(crate) fn words_of_stdin(what: &str) -> Result<Zeroizing<String>, Failure> {
    first_line(std::io::stdin().lock(), "Standard input", what, true)
}

/// A passphrase that stands in a file's first line.
fn line_of_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let file = std::fs::File::open(path).map_err(|error| Failure::Refused(ErrorInfo::at_path(path, &error)))?;
    first_line(std::io::BufReader::new(file), &path.display().to_string(), "passphrase", false)
}

/// `skip`: past blank lines. A mark of the encoding, which some editors write first, belongs to no line.
fn first_line(input: impl BufRead, name: &str, what: &str, skip: bool) -> Result<Zeroizing<String>, Failure> {
    let mut input = input.take(MAX_LINE);
    loop {
        // Reserved in one piece: growing would leave copies behind.
        let mut line = Zeroizing::new(String::with_capacity(4096));
        let read = input.read_line(&mut line).map_err(|error| {
            let message = match error.kind() {
                std::io::ErrorKind::InvalidData => format!("{name} is no text in UTF-8."),
                _ => format!("{name} cannot be read: {}.", node::words::without_number(error)),
            };
            Failure::Refused(ErrorInfo { code: Code::Io, message })
        })?;
        let text = line.trim_end_matches(['\r', '\n']).trim_start_matches('\u{FEFF}');
        if read > 0 && skip && text.trim().is_empty() {
            continue;
        }
        if text.is_empty() {
            let message = format!("{name} holds no {what}.");
            return Err(Failure::Refused(ErrorInfo { code: Code::BadArgument, message }));
        }
        return Ok(Zeroizing::new(text.to_owned()));
    }
}

fn no_passphrase(message: String) -> Failure {
    Failure::Refused(ErrorInfo { code: Code::Secrets, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], skip: bool) -> Result<String, String> {
        match first_line(input, "Standard input", "link", skip) {
            Ok(line) => Ok(line.as_str().to_owned()),
            Err(Failure::Refused(error)) => Err(error.message),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_passphrase_is_the_first_line_as_it_is() {
        for input in ["pw\n", "pw\r\n", "pw", "pw\nmore\n", "\u{FEFF}pw\r\n"] {
            assert_eq!(read(input.as_bytes(), false).as_deref(), Ok("pw"), "{input:?}");
        }
        assert_eq!(read(b" p w \n", false).as_deref(), Ok(" p w "));
        for input in ["", "\n", "\npw\n"] {
            assert_eq!(read(input.as_bytes(), false).unwrap_err(), "Standard input holds no link.", "{input:?}");
        }
    }

    #[test]
    fn a_link_is_the_first_line_that_says_something() {
        for input in ["x\n", "\n\r\n \t\nx\n", "\u{FEFF}\r\nx", "\u{FEFF}x\r\nmore"] {
            assert_eq!(read(input.as_bytes(), true).as_deref(), Ok("x"), "{input:?}");
        }
        for input in ["", "\n\n", " \r\n"] {
            assert_eq!(read(input.as_bytes(), true).unwrap_err(), "Standard input holds no link.", "{input:?}");
        }
        assert_eq!(read(b"m\xe4\n", true).unwrap_err(), "Standard input is no text in UTF-8.");
    }
}
