//! The units of a program file.

use serde::Deserialize;
use toml::Spanned;

use super::super::expiry::Written;
use super::super::{Ends, InvalidProgram, Transfer, Unit};
use super::{Lines, Named, days};
use crate::clawback::Clawback;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUnit {
    id: Spanned<String>,
    expires: Option<Spanned<Written>>,
    #[serde(default)]
    clawback: RawClawback,
    notice: Option<Spanned<RawNotice>>,
    transfer: Option<Spanned<RawTransfer>>,
    level_by: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNotice {
    days: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawTransfer {
    Preserve,
    Reset,
    Forbidden,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawClawback {
    OnlyPending,
    WithinBalance,
    #[default]
    Debt,
}

impl Lines<'_> {
    pub(super) fn units(&self, raws: Vec<RawUnit>) -> Result<Named<Unit>, InvalidProgram> {
        let level_by = raws.iter().map(|raw| raw.level_by.clone()).collect();
        let mut units =
            Named::collect(self, "unit", raws, |raw| raw.id.clone(), |field, raw| self.unit(field, raw))?;
        self.levels(&mut units, level_by)?;
        Ok(units)
    }

    fn unit(&self, field: &str, raw: RawUnit) -> Result<Unit, InvalidProgram> {
        let expires = raw
            .expires
            .as_ref()
            .map(|raw| self.check(&format!("{field}.expires"), raw, Written::expiry))
            .transpose()?;
        let clawback = match raw.clawback {
            RawClawback::OnlyPending => Clawback::OnlyPending,
            RawClawback::WithinBalance => Clawback::WithinBalance,
            RawClawback::Debt => Clawback::Debt,
        };
        let transfer = self.transfer(&format!("{field}.transfer"), raw.transfer, raw.level_by.is_some())?;
        let notice = raw.notice.as_ref();
        let notice_days = notice
            .map(|raw| self.check(&format!("{field}.notice.days"), raw, |raw| days(raw.days)))
            .transpose()?;
        let id = raw.id.as_ref().as_str().into();
        let ends = Ends { expires: expires.unwrap_or_default(), notice_days };
        Ok(Unit { id, ends, clawback, transfer, level_by: None })
    }

    fn transfer(
        &self,
        field: &str,
        raw: Option<Spanned<RawTransfer>>,
        levels: bool,
    ) -> Result<Transfer, InvalidProgram> {
        match raw {
            Some(raw) if levels && *raw.as_ref() != RawTransfer::Forbidden => {
                Err(self.wrong(field, raw.span(), "levels cannot be given to others; leave it out"))
            }
            Some(raw) => Ok(match raw.into_inner() {
                RawTransfer::Preserve => Transfer::Preserve,
                RawTransfer::Reset => Transfer::Reset,
                RawTransfer::Forbidden => Transfer::Forbidden,
            }),
            None if levels => Ok(Transfer::Forbidden),
            None => Ok(Transfer::default()),
        }
    }

    /// Says by which unit's points the levels are reached that another unit's points are.
    fn levels(
        &self,
        units: &mut Named<Unit>,
        by: Vec<Option<Spanned<String>>>,
    ) -> Result<(), InvalidProgram> {
        let written = (0_usize..).zip(by).filter_map(|(index, by)| Some((index, by?)));
        for (count, (index, by)) in written.enumerate() {
            let field = format!("unit[{index}].level_by");
            let place = units.find(self, &field, &by)?;
            if place == index {
                return Err(self.wrong(
                    &field,
                    by.span(),
                    "is the unit itself; name the one by whose points its levels are reached",
                ));
            }
            if count > 0 {
                return Err(self.wrong(
                    &field,
                    by.span(),
                    "another unit has levels already; a program has one kind of them",
                ));
            }
            if let Some(unit) = units.items.get_mut(index) {
                unit.level_by = Some(place);
            }
        }
        Ok(())
    }
}
