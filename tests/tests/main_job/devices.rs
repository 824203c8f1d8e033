//! Several devices of one person, with one identity: each publishes, and none loses what another did.

use super::{Person, dht};
use anyhow::{Context, Result, ensure};
use megatorrent_tests::people::{self, text, until};
use megatorrent_tests::process::Home;
use serde_json::Value;
use std::collections::BTreeSet;

/// Two devices; both know what was published first.
fn devices(bootstrap: &[String]) -> Result<(Person, Person, String)> {
    let desk = Person::new("alice", bootstrap, &[])?;
    let first = publish(&desk.home, "first", &[])?;
    let backup = desk.home.path().join("alice.age");
    desk.ask(&["id", "export", "Tidewater", backup.to_str().context("text")?])?;
    // Of the same name, for the backup's passphrase is made of it.
    let laptop = Person::new("alice", bootstrap, &[&desk])?;
    laptop.ask(&["id", "import", backup.to_str().context("text")?])?;
    Ok((desk, laptop, text(&first, "link")?))
}

fn publish(home: &Home, title: &str, more: &[&str]) -> Result<Value> {
    let folder = people::folder(home, title, &[("a", 30_000)])?;
    people::publish(home, &folder, &[&["--title", title] as &[&str], more].concat())
}

fn titles(items: &Value) -> BTreeSet<String> {
    let all = items.as_array().into_iter().flatten();
    all.filter_map(|item| item["name"].as_str()).map(str::to_owned).collect()
}

/// Waits until the channel's list has exactly these titles.
fn lists(home: &Home, wanted: &[&str]) -> Result<()> {
    let wanted: BTreeSet<String> = wanted.iter().map(|&title| title.to_owned()).collect();
    until(home, &["items", "Tidewater"], &format!("a list of {wanted:?}"), |all| (titles(all) == wanted).then_some(()))
}

fn item(home: &Home, title: &str) -> Result<String> {
    let all = home.ask(["items", "Tidewater"])?;
    text(super::named(&all, "name", title).context("it is listed")?, "id")
}

#[test]
fn two_devices_publish_in_the_same_moment_and_both_are_in_the_list() -> Result<()> {
    let dht = dht()?;
    let (desk, laptop, link) = devices(&dht.bootstrap())?;
    // A restored identity reads before it writes.
    publish(&laptop.home, "second", &[])?;
    lists(&laptop.home, &["first", "second"])?;
    lists(&desk.home, &["first", "second"])?;
    for (round, wanted) in [
        ("third", &["first", "second", "desk third", "laptop third"] as &[&str]),
        ("fourth", &["first", "second", "desk third", "laptop third", "desk fourth", "laptop fourth"]),
    ] {
        std::thread::scope(|scope| {
            let one = scope.spawn(|| publish(&desk.home, &format!("desk {round}"), &[]));
            let two = scope.spawn(|| publish(&laptop.home, &format!("laptop {round}"), &[]));
            for one in [one, two] {
                one.join().map_err(|_| anyhow::anyhow!("a thread ended"))??;
            }
            anyhow::Ok(())
        })?;
        lists(&desk.home, wanted)?;
        lists(&laptop.home, wanted)?;
    }
    // A stranger who comes now gets it all from where it lies.
    let bob = Person::new("bob", &dht.bootstrap(), &[])?;
    let mut news = bob.node.watch(&bob.home)?;
    bob.ask(&["subscribe", &link])?;
    for _ in 0..6 {
        news.until("an item complete", |event| (event["event"] == "ready").then_some(()))?;
    }
    ensure!(titles(&bob.ask(&["items", "Tidewater"])?).len() == 6);
    [desk, laptop, bob].into_iter().try_for_each(Person::stop)
}

#[test]
fn a_device_that_was_away_publishes_on_top_of_what_the_other_did() -> Result<()> {
    let dht = dht()?;
    let (desk, laptop, _) = devices(&dht.bootstrap())?;
    publish(&laptop.home, "second", &[])?;
    lists(&desk.home, &["first", "second"])?;
    let Person { home: away, node } = laptop;
    node.stop(&away)?;
    publish(&desk.home, "third", &[])?;
    desk.ask(&["unpublish", &item(&desk.home, "first")?])?;
    desk.ask(&["edit", "Tidewater", "--about", "from the desk"])?;
    // It comes back, and publishes before anybody told it anything.
    let node = away.daemon()?;
    publish(&away, "fourth", &[])?;
    lists(&away, &["second", "third", "fourth"])?;
    lists(&desk.home, &["second", "third", "fourth"])?;
    ensure!(away.ask(["channels"])?[0]["about"] == "from the desk");
    node.stop(&away)?;
    desk.stop()
}

#[test]
fn devices_that_could_not_hear_of_each_other_come_to_one_list_when_they_meet() -> Result<()> {
    let dht = dht()?;
    let (desk, laptop, _) = devices(&dht.bootstrap())?;
    publish(&laptop.home, "second", &[])?;
    lists(&desk.home, &["first", "second"])?;
    // Both without a DHT and without anybody else, as on two trains.
    let (desk, laptop) = (apart(desk)?, apart(laptop)?);
    publish(&desk.home, "third", &[])?;
    desk.ask(&["edit", &item(&desk.home, "first")?, "--name", "First of all"])?;
    laptop.ask(&["unpublish", &item(&laptop.home, "second")?])?;
    publish(&laptop.home, "fourth", &[])?;
    lists(&laptop.home, &["first", "fourth"])?;
    let Person { home, node } = laptop;
    node.stop(&home)?;
    let node = home.daemon_with(["--no-dht", "--peer", desk.node.address()])?;
    let wanted = ["First of all", "third", "fourth"];
    lists(&desk.home, &wanted)?;
    lists(&home, &wanted)?;
    // Once they agree nothing more is signed.
    let sequence = |home: &Home| anyhow::Ok(home.ask(["channels"])?[0]["sequence"].clone());
    until(&home, &["channels"], "one list", |all| {
        sequence(&desk.home).ok().filter(|other| *other == all[0]["sequence"]).map(drop)
    })?;
    node.stop(&home)?;
    desk.stop()
}

/// The same person's node again, which nobody can reach and which reaches nobody.
fn apart(person: Person) -> Result<Person> {
    let Person { home, node } = person;
    node.stop(&home)?;
    let node = home.daemon_with(["--no-dht"])?;
    Ok(Person { home, node })
}
