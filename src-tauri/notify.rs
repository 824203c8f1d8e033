//! Notifications of the desktop, when an item is ready: every blob verified, files in place.

use node::api::ItemInfo;

/// Characters of a name that are shown.
const NAME_MAX: usize = 80;

/// Hostile text for one line outside the window: no control, bidi or invisible characters, and not endless.
pub(crate) fn plain(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control() && !is_sneaky(*c));
    let mut line: String = shown.take(NAME_MAX + 1).collect();
    if line.chars().count() > NAME_MAX {
        line = line.chars().take(NAME_MAX).collect();
        line.push('…');
    }
    line
}

/// Direction marks and overrides, zero-width characters, separators of lines.
fn is_sneaky(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Says that items are ready.
pub(crate) async fn ready(items: &[ItemInfo], words: &crate::words::Words) {
    let Some(first) = items.first() else { return };
    let body = if items.len() == 1 { plain(&first.name) } else { words.ready_many(items.len(), &plain(&first.name)) };
    tell(words.ready, &body).await;
}

/// Shows a notification. That there is nobody to show it is no trouble.
pub(crate) async fn tell(title: &str, body: &str) {
    let (title, body) = (title.to_owned(), body.to_owned());
    let shown = tokio::task::spawn_blocking(move || {
        let mut notification = notify_rust::Notification::new();
        notification.appname("Megatorrent").summary(&title).body(&for_server(body));
        #[cfg(target_os = "linux")]
        notification.icon("megatorrent-desktop").hint(notify_rust::Hint::DesktopEntry("Megatorrent".into()));
        notification.show().map(drop)
    });
    match shown.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no notification"),
        Err(error) => tracing::warn!(%error, "a notification's task failed"),
    }
}

/// Some servers read the body as markup: there, text is written so that it stays text.
#[cfg(target_os = "linux")]
fn for_server(body: String) -> String {
    match notify_rust::get_capabilities() {
        Ok(able) if !able.iter().any(|a| a == "body-markup") => body,
        _ => escaped(&body),
    }
}

#[cfg(not(target_os = "linux"))]
fn for_server(body: String) -> String {
    body
}

#[cfg(any(target_os = "linux", test))]
fn escaped(body: &str) -> String {
    body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_one_plain_line() {
        assert_eq!(plain("a\u{202e}gpj.exe\n\u{7}b\u{200b}"), "agpj.exeb");
        assert_eq!(plain("Ünï 日本"), "Ünï 日本");
        let long = plain(&"x".repeat(10_000));
        assert_eq!(long.chars().count(), NAME_MAX + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(escaped("<b>&amp;</b>"), "&lt;b&gt;&amp;amp;&lt;/b&gt;");
    }
}
