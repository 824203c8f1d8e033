//! A small WebDriver client: as much of the protocol as a person's hands and eyes need.

use super::until;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Under this name WebDriver hands elements out.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Longest that one command may take.
const LIMIT: Duration = Duration::from_secs(180);

/// A driven window.
pub struct Session {
    port: u16,
    id: String,
}

/// An element of the page.
pub struct Element<'a> {
    session: &'a Session,
    id: String,
}

fn ask(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("the driver sent no answer")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let body = if head.contains("transfer-encoding: chunked") {
        dechunked(&answer[end + 4..])?
    } else {
        answer[end + 4..].to_vec()
    };
    let mut answer: Value = serde_json::from_slice(&body)
        .with_context(|| format!("the driver sent {:?}", String::from_utf8_lossy(&body)))?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => bail!("{error}: {}", value["message"].as_str().unwrap_or_default()),
        None => Ok(value),
    }
}

fn dechunked(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").context("a chunk without a head")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
        if size == 0 {
            return Ok(all);
        }
        all.extend(rest.get(end + 2..end + 2 + size).context("a chunk that ends early")?);
        rest = rest.get(end + 4 + size..).context("chunks without an end")?;
    }
}

impl Session {
    /// Starts the program under a driver that listens on this port.
    ///
    /// # Errors
    /// The driver does not answer, or the program shows no page.
    pub fn start(port: u16, program: &Path, args: &[String]) -> Result<Self> {
        until("the driver", || Ok(TcpStream::connect(("127.0.0.1", port)).ok()))?;
        let options = json!({ "binary": program, "args": args });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "webkitgtk:browserOptions": options } } });
        let made = ask(port, "POST", "/session", Some(&wanted)).context("the window does not come up")?;
        let id = made["sessionId"].as_str().ok_or_else(|| anyhow!("no session: {made}"))?.to_owned();
        Ok(Self { port, id })
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        ask(self.port, method, &format!("/session/{}{path}", self.id), body.as_ref())
    }

    /// Opens an address.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn go_to(&self, address: &str) -> Result<()> {
        self.ask("POST", "/url", Some(json!({ "url": address }))).map(drop)
    }

    /// Runs a script's body in the page; what it returns, awaited if it is a promise.
    ///
    /// # Errors
    /// It throws.
    pub fn run(&self, script: &str, args: &[Value]) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...args) => {{ {script} }})(...Array.from(arguments).slice(0, -1))
                .then((value) => done({{ value }}), (error) => done({{ error: String(error?.message ?? error) }}));"
        );
        let mut answer = self.ask("POST", "/execute/async", Some(json!({ "script": script, "args": args })))?;
        match answer["error"].as_str() {
            Some(error) => bail!("the script failed: {error}"),
            None => Ok(answer["value"].take()),
        }
    }

    /// All text that can be read.
    ///
    /// # Errors
    /// The page does not answer.
    pub fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText", &[])?;
        // Blanks that do not break look like others.
        Ok(text.as_str().unwrap_or_default().replace(['\u{a0}', '\u{202f}'], " "))
    }

    /// Waits until this text can be read.
    ///
    /// # Errors
    /// It never can; with what could be read instead.
    pub fn see(&self, text: &str) -> Result<()> {
        until(&format!("text {text:?}"), || {
            let page = self.text()?;
            if page.contains(text) { Ok(Some(())) } else { Err(anyhow!("the page says: {page}")) }
        })
    }

    /// Waits for an element that can be seen.
    ///
    /// # Errors
    /// There never is one.
    pub fn find(&self, css: &str) -> Result<Element<'_>> {
        until(&format!("element {css:?}"), || {
            let found = self.ask("POST", "/element", Some(json!({ "using": "css selector", "value": css })))?;
            let id = found[ELEMENT].as_str().ok_or_else(|| anyhow!("no element in {found}"))?.to_owned();
            let element = Element { session: self, id };
            Ok(element.is_displayed()?.then_some(element))
        })
    }

    /// Waits until this text can be read no more.
    ///
    /// # Errors
    /// It stays.
    pub fn lose(&self, text: &str) -> Result<()> {
        until(&format!("text {text:?} to go"), || Ok((!self.text()?.contains(text)).then_some(())))
    }

    /// Waits for a button (or link), field, option, or a screen of the sidebar, by the name that a screen reader says.
    ///
    /// # Errors
    /// There never is one; with the names that are there.
    pub fn named(&self, role: &str, name: &str) -> Result<Element<'_>> {
        let script = include_str!("named.js");
        until(&format!("{role} {name:?}"), || {
            let found = self.run(script, &[json!(role), json!(name)])?;
            match found[ELEMENT].as_str() {
                Some(id) => Ok(Some(Element { session: self, id: id.to_owned() })),
                None => Err(anyhow!("there are: {found}; the page says: {}", self.text()?)),
            }
        })
    }

    /// Presses the button of this name.
    ///
    /// # Errors
    /// There is none, or it cannot be pressed.
    pub fn press(&self, name: &str) -> Result<()> {
        until(&format!("pressing {name:?}"), || self.named("button", name)?.click().map(Some))
    }

    /// Moves the pointer onto a button and leaves it there: what a row offers shows while the pointer is on it.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn hover(&self, name: &str) -> Result<()> {
        let element = self.named("button", name)?.id;
        let to = json!({ "type": "pointerMove", "duration": 0, "origin": { ELEMENT: element }, "x": 0, "y": 0 });
        let hand = json!({ "type": "pointer", "id": "hand", "actions": [to] });
        self.ask("POST", "/actions", Some(json!({ "actions": [hand] }))).map(drop)
    }

    /// Goes to a screen by the sidebar.
    ///
    /// # Errors
    /// There is no such screen.
    pub fn go(&self, screen: &str) -> Result<()> {
        until(&format!("going to {screen:?}"), || self.named("screen", screen)?.click().map(Some))
    }

    /// Chooses an option.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn choose(&self, option: &str) -> Result<()> {
        until(&format!("choosing {option:?}"), || self.named("option", option)?.click().map(Some))
    }

    /// Types into the field of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn fill(&self, field: &str, text: &str) -> Result<()> {
        self.named("field", field)?.type_in(text)
    }

    /// A picture of the page, PNG.
    ///
    /// # Errors
    /// The page does not answer.
    pub fn picture(&self) -> Result<Vec<u8>> {
        let text = self.ask("GET", "/screenshot", None)?;
        let text = text.as_str().context("no picture")?.replace(['\n', '\r'], "");
        Ok(data_encoding::BASE64.decode(text.as_bytes())?)
    }

    /// Sets the window's size.
    ///
    /// # Errors
    /// It cannot be set.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.ask("POST", "/window/rect", Some(json!({ "width": width, "height": height }))).map(drop)
    }
}

impl Element<'_> {
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        self.session.ask(method, &format!("/element/{}{path}", self.id), body)
    }

    /// Whether a person can see it.
    ///
    /// # Errors
    /// It is gone.
    pub fn is_displayed(&self) -> Result<bool> {
        Ok(self.ask("GET", "/displayed", None)?.as_bool().unwrap_or(false))
    }

    /// Clicks it.
    ///
    /// # Errors
    /// It is gone, or something lies above it.
    pub fn click(&self) -> Result<()> {
        self.ask("POST", "/click", Some(json!({}))).map(drop)
    }

    /// Types into it.
    ///
    /// # Errors
    /// It takes no text.
    pub fn type_in(&self, text: &str) -> Result<()> {
        self.ask("POST", "/value", Some(json!({ "text": text }))).map(drop)
    }

    /// Its text.
    ///
    /// # Errors
    /// It is gone.
    pub fn text(&self) -> Result<String> {
        Ok(self.ask("GET", "/text", None)?.as_str().unwrap_or_default().to_owned())
    }
}
