//! Floor 2: one request.
