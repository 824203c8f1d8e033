//! Where things stand: boxes on their lines, figures at their edges, names cut without a gap, whatever the window's size.

use super::{Author, alone};
use anyhow::{Result, ensure};
use megatorrent_window_tests::{Desktop, Session, Window, until};
use serde_json::{Value, json};

/// A name whose end, that stays, begins with a blank.
const LONG: &str =
    "a new take of the harbour in fog, two hydrophones and a buoy bell, second try of the evening abc.webm";

/// Measures for the scripts below: the box of an element, and the one of its text alone.
const MEASURE: &str = "
    await new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)));
    const box = (one) => one.getBoundingClientRect();
    const middle = (one) => (box(one).top + box(one).bottom) / 2;
    const text = (one) => { const range = document.createRange(); range.selectNodeContents(one); return range.getBoundingClientRect(); };
    const seen = (one) => box(one).width > 0 && getComputedStyle(one).visibility !== 'hidden';
    const all = (css) => Array.from(document.querySelectorAll(css)).filter(seen);
";

fn measure(page: &Session, script: &str) -> Result<Value> {
    page.run(&format!("{MEASURE}{script}"), &[])
}

/// Waits until the script has no complaint left, and `least` things to say nothing of.
fn wait_right(page: &Session, what: &str, least: u64, script: &str) -> Result<()> {
    until(what, || {
        let found = measure(page, script)?;
        ensure!(found["of"].as_u64() >= Some(least), "only {} of them are there", found["of"]);
        ensure!(found["wrong"].as_array().is_some_and(Vec::is_empty), "{:#}", found["wrong"]);
        Ok(Some(()))
    })
}

/// Each box on the middle of its row.
const BOXES: &str = "
    const boxes = all('main [role=table] input[type=checkbox]');
    const off = (one) => middle(one) - middle(one.closest('[role=row]'));
    return { of: boxes.length, wrong: boxes.filter((one) => Math.abs(off(one)) > 1).map((one) => `${one.ariaLabel}: ${off(one)} px`) };";

/// Each long name: all of its end, its dots with no blank beside them, no letter beyond its edge, and hardly room for one more.
const NAMES: &str = "
    const names = all('main [role=table] .seen');
    const wrong = names.map((one) => {
      const [drawn, whole] = [one.textContent, one.closest('[data-whole]').dataset.whole];
      const room = box(one.closest('[data-whole]')).right - text(one).right;
      if (drawn !== whole && !/^\\S.*\\S…\\S+$/.test(drawn)) return `${drawn}: a gap`;
      if (!drawn.endsWith(whole.slice(-8).trim())) return `${drawn}: without its end`;
      if (room < -0.5) return `${drawn}: ${room} px too wide`;
      if (drawn !== whole && room > 24) return `${drawn}: ${room} px are empty`;
      return null;
    });
    return { of: names.filter((one) => one.textContent.includes('…')).length, wrong: wrong.filter(Boolean) };";

/// What stands below an item's title ends within its line: what is too long ends in dots of its own, with some letters
/// before them.
const LINE: &str = "
    const line = document.querySelector('main header .line');
    const parts = Array.from(line.children).filter((one) => !one.ariaHidden && seen(one));
    const out = (one) => box(one).right > box(line).right + 0.5 || box(one).width < 32;
    return { of: parts.length, wrong: parts.filter(out).map((one) => `${one.textContent}: ${box(one).right} of ${box(line).right}`) };";

/// The rates in the sidebar's foot end at one edge, which is that of the foot.
const RATES: &str = "
    const rates = all('nav dl dd');
    const edge = box(document.querySelector('nav dl')).right;
    return { of: rates.length, wrong: rates.filter((one) => Math.abs(text(one).right - edge) > 1).map((one) => `${one.textContent}: ${text(one).right}, not ${edge}`) };";

#[test]
fn boxes_names_and_figures_stand_where_they_belong_in_every_width() -> Result<()> {
    let desktop = Desktop::new()?;
    let alice = Author::new("alice")?;
    let (_, link) =
        alice.publish("Harbour at night", &[(LONG, 90_000), ("notes.txt", 40), ("take.flac", 70_000)], &[])?;
    let window = Window::open_welcomed(&desktop, &alone(&[alice.node.address()]))?;
    let page = &window.page;
    page.fill("Channel link", &link)?;
    page.press("Open link")?;
    page.choose("Nothing; I choose each")?;
    page.press("Add channel")?;
    wait_right(page, "the rates at their edge", 2, RATES)?;
    page.press("Harbour at night")?;
    page.see("notes.txt")?;
    for (width, height) in [(1180, 760), (900, 600), (590, 600), (500, 760)] {
        page.resize(width, height)?;
        until("the width", || Ok((measure(page, "return innerWidth")? == width).then_some(())))?;
        wait_right(page, &format!("the boxes at {width}"), 4, BOXES)?;
        wait_right(page, &format!("the names at {width}"), 1, NAMES)?;
        wait_right(page, &format!("the line below the title at {width}"), 2, LINE)?;
    }
    // In one column what is known of the item follows its files.
    let apart = measure(
        page,
        "return box(document.querySelector('main aside')).top - box(document.querySelector('main .stage')).bottom",
    )?;
    ensure!(apart.as_f64().is_some_and(|apart| (0.0..=32.0).contains(&apart)), "{apart} px apart");

    // How fresh the list is, on one line that ends in dots where it does not fit, as with large letters.
    page.press("Back")?;
    page.see("Updated")?;
    page.run("document.documentElement.style.fontSize = '28px'", &[])?;
    let line = measure(
        page,
        "const line = document.querySelector('main .fresh .parts');
         const { textOverflow, overflowX, lineHeight } = getComputedStyle(line);
         return { textOverflow, overflowX, cut: line.scrollWidth > line.clientWidth, lines: Math.round(box(line).height / parseFloat(lineHeight)),
                  inside: box(line).right <= innerWidth && box(line).left >= 0 }",
    )?;
    let right = json!({ "textOverflow": "ellipsis", "overflowX": "hidden", "cut": true, "lines": 1, "inside": true });
    assert_eq!(line, right);
    page.run("document.documentElement.style.fontSize = ''", &[])?;

    // What is wrong with an amount stands below its field and moves nothing beside it.
    page.resize(1180, 760)?;
    page.go("Settings")?;
    let field = || {
        measure(
            page,
            "const field = all('input[aria-label=\"Up, all together\"]')[0]; const { left, right, top } = box(field); return { left, right, height: box(field).height }",
        )
    };
    until("the field", || field().map(Some))?;
    let before = field()?;
    page.fill("Up, all together", "5\u{e007}")?;
    page.see("At least 17 KB/s")?;
    assert_eq!(field()?, before);
    Ok(())
}
