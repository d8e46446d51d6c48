// SPDX-License-Identifier: MIT

//! An HTTP server, as hyper has it: tokio-http --host H --port N --procs N. SIGTERM ends it (its
//! default action).

mod runtime;
mod server;

use std::convert::Infallible;
use std::io;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_hello = request.method() == Method::GET && request.uri().path() == "/";
    let body = if is_hello { "hello, weft" } else { "" };
    let mut response = Response::new(Full::from(body));
    if !is_hello {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

fn main() -> io::Result<()> {
    server::run(|stream| async {
        // An error ends the connection, like its end.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(hello))
            .await;
    })
}
