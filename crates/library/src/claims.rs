//! Items that somebody has for himself, one after the other.

use crate::item::State;
use crate::{Key, Library, Output, Ticket};

impl<C: Clone> Library<C> {
    pub(crate) fn claim(&mut self, key: Key, ticket: Ticket) {
        self.end(key);
        let item = self.items.entry(key).or_default();
        if let Some(first) = item.claims.first().filter(|_| item.granted) {
            self.outputs.push_back(Output::Awaited(key, *first));
        }
        item.claims.push(ticket);
        self.grant(key);
    }

    pub(crate) fn release(&mut self, key: Key, ticket: Ticket) {
        let Some(item) = self.items.get_mut(&key) else { return };
        if item.granted && item.claims.first() == Some(&ticket) {
            item.granted = false;
        }
        item.claims.retain(|other| *other != ticket);
        if item.claims.is_empty() {
            // What was done to it may have made it wanted, or not.
            if !matches!(item.state, State::Finishing) {
                self.look(key);
            }
        } else {
            self.grant(key);
        }
    }

    /// Gives an item to whoever waits for it, if nothing is done to it.
    pub(crate) fn grant(&mut self, key: Key) {
        let Some(item) = self.items.get_mut(&key) else { return };
        if item.job.is_none()
            && !item.granted
            && let Some(ticket) = item.claims.first()
        {
            item.granted = true;
            self.outputs.push_back(Output::Granted(key, *ticket));
            if item.claims.len() > 1 {
                self.outputs.push_back(Output::Awaited(key, *ticket));
            }
        }
    }
}
