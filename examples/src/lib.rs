//! Examples of the gateway layers; each file beside `src` is one.
