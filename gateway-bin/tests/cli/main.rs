//! The program as its users meet it: the real binary, real sockets, curl.
mod admin;
mod check;
mod credentials;
mod demo;
mod drain;
mod files;
mod flags;
mod front;
mod logs;
mod proxy_config;
mod readme;
mod rotation;
mod run;
mod support;
mod upstream;
