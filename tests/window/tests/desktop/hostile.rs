//! Names that attack: markup, scripts, turned text, control characters, texts without end. All of it is text, everywhere.

use super::joining;
use anyhow::Result;
use megatorrent_tests::people::Shelf;
use megatorrent_tests::v5::{Dht, Habits, Server};
use megatorrent_window_tests::{Desktop, Observer, Window};
use net::dht::LocalDht;
use std::net::Ipv4Addr;

#[test]
fn names_that_attack_are_text_in_page_notification_and_tray() -> Result<()> {
    const CHANNEL: &str = "<img src=x onerror=\"window.owned=1\"><b>Tidewater</b>\u{202e}gpj";
    let title = format!("<script>window.owned=2</script>&amp;\u{0}\u{1b}[31m\u{202e}exe.piz\n{}", "long ".repeat(180));
    let about = format!("<iframe src=javascript:window.owned=3></iframe>\u{2066}{}", "and on ".repeat(1500));
    let file = "<img src=x onerror=window.owned=4>.txt".replace(['<', '>'], "_");
    let desktop = Desktop::new()?;
    let observer = Observer::start(&desktop)?;
    let dht = LocalDht::start(10)?;
    let server = Server::start(Habits::default())?;
    let shelf = Shelf::of([23; 32], [CHANNEL, &title, &about], vec![(file, b"hello".to_vec())])?;
    shelf.stock(&server);
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&shelf.author, &shelf.manifest, shelf.sequence)?;
    let args = joining(&dht.bootstrap(), &[&server.address().to_string()]);

    let window = Window::open_welcomed(&desktop, &args)?;
    let page = &window.page;
    page.fill("Channel link", &shelf.author.link())?;
    page.press("Open link")?;
    page.press("Look inside")?;
    page.see("<b>Tidewater</b>")?;
    page.choose("Everything")?;
    page.press("Add channel")?;
    let told = observer.notification()?;
    assert_eq!(told.summary, "Ready");
    // This desktop reads markup in the body: what it reads is the text again.
    assert!(told.body.starts_with("&lt;script&gt;window.owned=2&lt;/script&gt;&amp;amp;"), "{}", told.body);
    assert!(told.body.chars().count() < 150 && !told.body.chars().any(char::is_control), "{}", told.body);
    assert!(!told.body.contains('\u{202e}'), "{}", told.body);
    for (_, line) in observer.menu()? {
        assert!(!line.contains("window.owned") && line.chars().count() < 80, "{line}");
    }
    page.press("<script>")?;
    page.see("_img src=x onerror=")?;
    page.see("<iframe src=javascript:window.owned=3>")?;
    for screen in ["Transfers", "Network", "Channels"] {
        page.go(screen)?;
        let found = page.run(
            "const wide = document.documentElement.scrollWidth > innerWidth;
             const foreign = document.querySelectorAll('img[src=x], iframe, script:not([src]), main b b').length;
             const turned = /[\\u202a-\\u202e\\u2066-\\u2069\\u0000-\\u0008\\u001b]/.test(document.body.innerText);
             return { wide, foreign, turned, owned: window.owned ?? 0, title: document.title }",
            &[],
        )?;
        let wanted =
            serde_json::json!({ "wide": false, "foreign": 0, "turned": false, "owned": 0, "title": "Megatorrent" });
        assert_eq!(found, wanted, "on {screen}");
    }
    // Each screen kept its place, and that of Channels was the item: from there up to the list.
    page.go("Channels")?;
    // Texts without end are refused whole.
    let endless = Shelf::of([24; 32], ["Endless", &"x".repeat(10_000), ""], vec![("a.txt".into(), b"hello".to_vec())])?;
    endless.stock(&server);
    Dht::join(&dht.bootstrap(), Ipv4Addr::LOCALHOST)?.put(&endless.author, &endless.manifest, endless.sequence)?;
    page.press("Add")?;
    page.fill("Channel link", &endless.author.link())?;
    page.press("Continue")?;
    page.press("Look inside")?;
    page.see("What the publisher signed is wrong")?;
    page.press("Cancel")?;
    page.press("Dismiss")?;
    // Links that are none.
    for bad in ["megatorrent://12", "megatorrent://x\"><script>window.owned=5</script>", "https://example.org/"] {
        Window::second_start(&desktop, &[bad])?;
        page.see("This is not a channel link")?;
        page.press("Dismiss")?;
    }
    Ok(())
}
