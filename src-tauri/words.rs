//! The few words outside the window: tray, notifications, titles of dialogs. The window has its own catalogue.

use crate::host::Language;

/// One language's words.
pub(crate) struct Words {
    pub(crate) open: &'static str,
    pub(crate) pause: &'static str,
    pub(crate) resume: &'static str,
    pub(crate) pause_hour: &'static str,
    pub(crate) pause_tomorrow: &'static str,
    pub(crate) route: &'static str,
    pub(crate) direct: &'static str,
    pub(crate) proxy: &'static str,
    pub(crate) lost: &'static str,
    pub(crate) route_starts: &'static str,
    pub(crate) reveal_title: &'static str,
    pub(crate) reveal_text: &'static str,
    pub(crate) reveal_go: &'static str,
    pub(crate) reveal_stay: &'static str,
    pub(crate) quit: &'static str,
    pub(crate) starting: &'static str,
    pub(crate) running: &'static str,
    pub(crate) receiving: &'static str,
    pub(crate) unseen: &'static str,
    pub(crate) paused: &'static str,
    pub(crate) offline: &'static str,
    pub(crate) stopped: &'static str,
    pub(crate) stopping: &'static str,
    pub(crate) ready: &'static str,
    others: &'static str,
    pub(crate) choose_files: &'static str,
    pub(crate) choose_folder: &'static str,
    pub(crate) choose_backup: &'static str,
    pub(crate) save_as: &'static str,
    comma: char,
}

const EN: Words = Words {
    open: "Open Megatorrent",
    pause: "Pause",
    resume: "Go on",
    pause_hour: "Pause for 1 h",
    pause_tomorrow: "Pause until tomorrow",
    route: "Route",
    direct: "Direct",
    proxy: "Proxy…",
    lost: "Route lost. Nothing leaves this device",
    route_starts: "The route is starting",
    reveal_title: "Use the direct route?",
    reveal_text: "From then on people in your channels see your internet address, and your provider sees whom you talk to.",
    reveal_go: "Use Direct",
    reveal_stay: "Stay hidden",
    quit: "Quit",
    starting: "Starting",
    running: "Running",
    receiving: "Receiving",
    unseen: "An item is ready",
    paused: "Paused",
    offline: "No connection",
    stopped: "Not running",
    stopping: "Storing what it has",
    ready: "Ready",
    others: "and {n} more",
    choose_files: "Choose files",
    choose_folder: "Choose a folder",
    choose_backup: "Choose a backup",
    save_as: "Save",
    comma: '.',
};

const DE: Words = Words {
    open: "Megatorrent öffnen",
    pause: "Anhalten",
    resume: "Fortsetzen",
    pause_hour: "1 Std. anhalten",
    pause_tomorrow: "Bis morgen anhalten",
    route: "Weg",
    direct: "Direkt",
    proxy: "Proxy …",
    lost: "Weg verloren. Nichts verlässt dieses Gerät",
    route_starts: "Der Weg wird geöffnet",
    reveal_title: "Den direkten Weg benutzen?",
    reveal_text: "Von da an sehen Leute in deinen Kanälen deine Internet-Adresse, und dein Anbieter sieht, mit wem du sprichst.",
    reveal_go: "Direkt benutzen",
    reveal_stay: "Verborgen bleiben",
    quit: "Beenden",
    starting: "Startet",
    running: "Läuft",
    receiving: "Empfängt",
    unseen: "Ein Eintrag ist fertig",
    paused: "Angehalten",
    offline: "Keine Verbindung",
    stopped: "Läuft nicht",
    stopping: "Sichert den Stand",
    ready: "Fertig",
    others: "und {n} weitere",
    choose_files: "Dateien wählen",
    choose_folder: "Ordner wählen",
    choose_backup: "Sicherung wählen",
    save_as: "Speichern",
    comma: ',',
};

/// The words of a language; the desktop's, where it is one of ours, else English.
pub(crate) fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::De => &DE,
        Language::System if sys_locale::get_locale().is_some_and(|name| name.starts_with("de")) => &DE,
        Language::System => &EN,
    }
}

impl Words {
    /// The first of several, and how many more.
    pub(crate) fn ready_many(&self, count: usize, first: &str) -> String {
        format!("{first} {}", self.others.replace("{n}", &(count - 1).to_string()))
    }

    /// Bytes a second for people: three digits at most.
    pub(crate) fn rate(&self, bytes: u64) -> String {
        const UNITS: [&str; 4] = ["B/s", "KB/s", "MB/s", "GB/s"];
        let (mut value, mut unit) = (bytes as f64, 0);
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = usize::from(unit > 0 && value < 9.95);
        format!("{value:.digits$} {}", UNITS[unit]).replace('.', &self.comma.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short_and_in_the_readers_digits() {
        let rates = [0, 999, 1000, 9_940, 9_960, 999_400, 999_600, 12_300_000, 5_000_000_000];
        let shown: Vec<String> = rates.iter().map(|rate| words(Language::En).rate(*rate)).collect();
        let wanted =
            ["0 B/s", "999 B/s", "1.0 KB/s", "9.9 KB/s", "10 KB/s", "999 KB/s", "1.0 MB/s", "12 MB/s", "5.0 GB/s"];
        assert_eq!(shown, wanted);
        assert_eq!(words(Language::De).rate(1500), "1,5 KB/s");
        assert_eq!(words(Language::De).ready_many(3, "Film"), "Film und 2 weitere");
    }
}
