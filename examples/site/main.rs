//! A small web site to try jobs on: a newspaper, a shop, an API, and pages that misbehave.
//!
//! `cargo run --release --example site -- [--port 8080]`; with port 0 it takes a free one. It listens on 127.0.0.1
//! alone, says its address as the first line on standard output, and serves until it is ended.
#![allow(clippy::print_stdout, reason = "a program that says its address")]

mod pages;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use pages::Page;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let port = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 8080,
        ["--port", port] => port.parse().map_err(|_| io::Error::other(format!("`{port}` is no port")))?,
        _ => return Err(io::Error::other("usage: site [--port PORT]")),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}", listener.local_addr()?);
    io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| answer(request));
            // A client that goes away is none of our business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    let Page { status, mime, location, wait, body } =
        pages::page(host, request.uri().path(), request.uri().query().unwrap_or_default());
    tokio::time::sleep(wait).await;
    let mut response = Response::builder().status(status).header("content-type", mime);
    if let Some(location) = location {
        response = response.header("location", location);
    }
    Ok(response.body(Full::new(Bytes::from(body))).unwrap_or_default())
}
