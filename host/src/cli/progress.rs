//! Progress bars, on standard error, when a person watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Returns a bar that counts `total` of what `unit` names: `bytes`, or things. Nothing is drawn where standard error
/// is no terminal.
pub(super) fn bar(total: u64, unit: &str) -> ProgressBar {
    let count = if unit == "bytes" {
        "{bytes}/{total_bytes}  {bytes_per_sec}".to_owned()
    } else {
        format!("{{pos}}/{{len}} {unit}  {{per_sec}}")
    };
    let style =
        ProgressStyle::with_template(&format!("{{bar:32}} {{percent}} %  {count}  {{eta}} left  {{msg}}"));
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
    bar.with_style(style.expect("the template is a constant of this file"))
}
