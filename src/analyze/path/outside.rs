//! Into what is asked from where nothing can be seen, and out to there.
//!
//! May import model and analyze's siblings only.

use super::frame::HOST;
use super::types::{StepKind, Stop};
use super::walk::{Now, Walk};
use super::world::{Link, Place};
use crate::analyze::naming::LinkRef;
use crate::model::ids::IfIndex;
use crate::model::link::LinkKind;
use crate::model::netfilter::chain::Hook;

impl Walk<'_, '_> {
    /// The packet comes in from outside, in a frame that is meant for this namespace.
    pub fn enter(&mut self, place: Place, link: IfIndex, is_asked: bool) -> Result<Now, Stop> {
        let link = self.world.link(place, link)?;
        let tuple = self.packet.tuple;
        let how = if is_asked { "from outside" } else { "an answer, if one comes" };
        self.scrub(place, place);
        self.packet.mark = 0;
        self.step(place, StepKind::FromOutside { tuple, how: how.to_owned() }, None);
        if !link.up {
            return Err(Stop::dropped(format!("{} is down", link.name)));
        }
        if matches!(link.kind, LinkKind::Bridge(_)) {
            // By which of its ports matters to rules of the bridge alone.
            self.assume(format!("no rule asks by which port of {} it comes in", link.name));
            self.no_programs(place, &link)?;
            self.step(place, StepKind::In { link: LinkRef::of(&link), tuple }, None);
            self.enters_by(place, &link)?;
            return Ok(Now::Up { place, link, crossed: None });
        }
        // An answer is for whose frame has left: one who lies on the link, where it was.
        let sender = self.left_as.take().filter(|_| !is_asked);
        let mac = match sender {
            Some(sender) if self.handed_up(place, &link, &sender)?.is_some() => sender,
            _ => self.bridge_of(place, &link)?.map_or_else(|| link.mac.clone(), |bridge| bridge.mac.clone()),
        };
        Ok(Now::Frame { place, link, mac: Some(mac) })
    }

    /// It comes in by a link from where nothing can be seen: its frame is for that link.
    pub fn enters_by(&mut self, place: Place, link: &Link) -> Result<(), Stop> {
        self.mac = None;
        self.frame.to = Some(link.mac.clone());
        self.frame.kind = HOST;
        if matches!(link.kind, LinkKind::Bridge(_)) {
            for hook in [Hook::Prerouting, Hook::Input] {
                if let Some(chain) = self.bridge_chains(place, hook, None)?.before.first() {
                    return Err(Stop::unknown(format!(
                        "by which port of {} it comes in, which the chain {} may ask",
                        link.name, chain.id.name
                    )));
                }
            }
        }
        self.ingress(place, link)
    }

    /// The packet leaves to where nothing can be seen.
    pub fn leave_for_outside(&mut self, place: Place, link: &Link) -> Now {
        self.step(place, StepKind::ToOutside { link: LinkRef::of(link) }, None);
        self.left_as = self.mac.clone().filter(|mac| *mac != link.mac);
        Now::Outside { place, link: link.clone() }
    }
}
