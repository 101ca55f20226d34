//! The program as its users meet it: exit codes, messages, files, signals.
mod check;
mod demo;
mod readme;
mod run;
mod signals;
mod support;
