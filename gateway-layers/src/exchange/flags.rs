//! [`Flags`]: Envoy's response flags.
use std::fmt;

/// One of Envoy's response flags, in the order in which Envoy writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "Envoy's names")]
pub enum Flag {
    NoHealthyUpstream,
    UpstreamTimeout,
    LocalReset,
    UpstreamRemoteReset,
    UpstreamConnectionFailure,
    UpstreamConnectionTermination,
    UpstreamOverflow,
    NoRoute,
    DelayInjected,
    FaultInjected,
    DownstreamTermination,
    RetryLimitExceeded,
    StreamIdle,
    DownstreamProtocolError,
    UpstreamProtocolError,
    NoCluster,
}

/// Their short names, in the order of [`Flag`].
const SHORT: [&str; 16] =
    ["UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "DC", "URX", "SI", "DPE", "UPE", "NC"];

/// A set of response flags; displays as `UF,URX`, or `-`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// One flag.
    #[must_use]
    pub const fn of(flag: Flag) -> Self {
        Self(1 << flag as u32)
    }

    /// Adds a flag.
    pub const fn set(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u32;
    }

    /// Adds those of another set.
    pub const fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Is it in the set?
    #[must_use]
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u32) != 0
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("-");
        }
        let set = SHORT.iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0);
        for (number, (_, short)) in set.enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            f.write_str(short)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_joined_by_commas() {
        let mut flags = Flags::of(Flag::UpstreamConnectionFailure);
        flags.set(Flag::RetryLimitExceeded);
        assert_eq!(flags.to_string(), "UF,URX");
        assert_eq!(Flags::NONE.to_string(), "-");
        assert_eq!(Flags::of(Flag::UpstreamProtocolError).to_string(), "UPE");
    }
}
