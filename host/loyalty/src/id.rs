//! Names of things. Each is text that came from outside; the type says what it names.

use std::fmt;
use std::sync::Arc;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// A member of the program.
    MemberId,
    /// A merchant of the program.
    MerchantId,
    /// A unit of points, such as `points` or `green`.
    UnitId,
    /// A deployment of a policy.
    DeploymentId,
    /// A lane of deployments.
    LaneId,
    /// A use of points, by the name that whoever asked for it gave it.
    RedemptionId,
}

/// Where a ledger has a notice that a campaign sends a member: the place in the log of the entry that has it, and which of its
/// notices it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeId {
    /// The place.
    pub seq: u64,
    /// Which, from 0.
    pub n: u32,
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq, self.n)
    }
}

impl RedemptionId {
    /// How the names of uses of points begin that happen by themselves at midnight.
    pub const AT_CLOSE: &str = "close/";
}
