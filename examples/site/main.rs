//! A small web site to try jobs on: a newspaper, a shop, an API, and everything that can go wrong with a site.
//!
//! `cargo run --release --example site -- [--port 8080]`; with port 0 it takes a free one. It listens on 127.0.0.1
//! alone, says its address as the first line on standard output, and serves until it is ended. Its faults stand on its first
//! page; each can be asked for by hand: `curl -v http://127.0.0.1:8080/fault/drip`.
//!
//! | file | duty |
//! |---|---|
//! | `pages` | what it answers when all is well, by path and query alone |
//! | `wire` | reads requests, plays answers step by step |
//! | `faults` | what goes wrong, by host and path; `faults/list` names it all |
//! | `tls`, `http2` | the same port for TLS: what goes wrong is told by the name of the host |
#![allow(clippy::print_stdout, reason = "a program that says its address")]
#![allow(clippy::format_collect, reason = "what is bad is made once, and small")]

mod faults;
mod http2;
mod pages;
mod tls;
mod wire;

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use wire::{Asked, Line, Play};

/// What the site knows of itself.
struct Doors {
    /// The host and port of its second door, which is another origin.
    next: String,
    tls: tls::Tls,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let port = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 8080,
        ["--port", port] => port.parse().map_err(|_| io::Error::other(format!("`{port}` is no port")))?,
        _ => return Err(io::Error::other("usage: site [--port PORT]")),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let next = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let doors = Arc::new(Doors { next: next.local_addr()?.to_string(), tls: tls::Tls::new()? });
    println!("http://{}", listener.local_addr()?);
    io::stdout().flush()?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            accepted = next.accept() => accepted?,
        };
        let doors = Arc::clone(&doors);
        // A client that goes away is none of our business.
        tokio::spawn(async move { drop(welcome(stream, &doors).await) });
    }
}

/// Tells TLS from plain HTTP by the first byte of a connection.
async fn welcome(stream: TcpStream, doors: &Doors) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Ok(()),
        _ if first[0] == tls::HANDSHAKE => tls::serve(stream, doors).await,
        _ => serve(stream, doors).await,
    }
}

/// Answers the requests of a connection, as long as they and the answers leave it whole.
async fn serve<S: Line>(mut stream: S, doors: &Doors) -> io::Result<()> {
    let mut unread = Vec::new();
    while let Some(asked) = wire::asked(&mut stream, &mut unread).await? {
        let play = faults::answer(&asked, doors).unwrap_or_else(|| ordinary(&asked));
        if !play.perform(&mut stream).await? {
            break;
        }
    }
    stream.end().await
}

/// The answer when all is well.
fn ordinary(asked: &Asked) -> Play {
    let page = pages::page(&asked.host, &asked.path, &asked.query);
    let headers = [("content-type", page.mime), ("location", page.location.as_deref().unwrap_or_default())];
    let headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    Play::whole(page.status, &headers, page.body).after(page.wait)
}
