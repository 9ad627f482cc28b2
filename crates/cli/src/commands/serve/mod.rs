//! `serve`: the page, model bundles and profiles over HTTP, for a browser on this machine.
//!
//! A request is logged, its host is checked ([`hosts`]), and its path is read as plain names
//! ([`names`]) that lead to a file below one of the folders served ([`roots`]). [`file`] answers
//! with it: conditions, a [`range`], compression ([`compress`]), how long it may be kept. [`listing`]
//! says which bundles and profiles there are, [`policy`] adds the headers that every answer has.
//!
//! Deliberately absent: anything that writes or computes a verdict (the page does, in the browser),
//! listings of folders, names that start with a dot, links that leave their folder, TLS, HTTP/2.

mod browser;
mod compress;
mod file;
mod hosts;
mod listing;
mod names;
mod per_file;
mod policy;
mod range;
mod reply;
mod roots;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::sync::watch;

use crate::args::ServeArgs;
use crate::error::{CliError, Outcome};
use crate::{output, progress};
use file::Files;
use hosts::Hosts;
use names::Names;
use roots::{Found, Roots};

/// After Ctrl-C, downloads that run may go on for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// What requests are answered from.
struct Server {
    roots: Roots,
    files: Files,
}

/// Serves until Ctrl-C, which is no failure: it is how a server ends.
pub fn run(args: &ServeArgs) -> Outcome {
    let roots = Roots::open(args)?;
    let (listener, address) = listen(&args.host, args.port)?;
    let hosts = Hosts::new(&args.host, address, &args.allow_host)?;
    let app = app(roots, hosts, args.cors);
    let failed = |error: std::io::Error| CliError::Internal(format!("the server failed: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    progress::on_interrupt(move || {
        stop.send_replace(true);
    });
    let url = url(&args.host, address);
    if !address.ip().is_loopback() {
        tracing::warn!("{address} is open to the network: who reaches it sees what is served");
    }
    output::print(&url)?;
    if args.open {
        browser::open(&url);
    }
    let ended = runtime.block_on(serve(listener, app, stopped));
    // A compression that still runs is of no use to anybody.
    runtime.shutdown_background();
    ended.map_err(failed)
}

/// The socket, so that a port that is taken is said before anything else happens.
fn listen(host: &str, port: u16) -> Outcome<(TcpListener, SocketAddr)> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let opened = TcpListener::bind((bare, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    opened.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => CliError::Input(format!(
            "{host}:{port} is in use: choose another --port, 0 for any free one"
        )),
        _ => CliError::Input(format!("{host}:{port} cannot be listened at: {error}")),
    })
}

/// What a person types to see the page; an address that stands for all of them cannot be typed.
fn url(host: &str, address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => format!("http://{}:{port}/", Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            format!("http://[{}]:{port}/", Ipv6Addr::LOCALHOST)
        }
        _ if host.contains(':') && !host.starts_with('[') => format!("http://[{host}]:{port}/"),
        _ => format!("http://{host}:{port}/"),
    }
}

/// From the inside out: the answer, who may use it, who may ask, what every answer says, the log.
fn app(roots: Roots, hosts: Hosts, cors: bool) -> Router {
    let server = Arc::new(Server {
        roots,
        files: Files::default(),
    });
    let mut app = Router::new().fallback(answer).with_state(server);
    if cors {
        app = app.layer(policy::any_origin());
    }
    app.layer(middleware::from_fn_with_state(
        Arc::new(hosts),
        hosts::check,
    ))
    .layer(middleware::map_response_with_state(cors, policy::add))
    .layer(middleware::from_fn(log))
}

async fn serve(
    listener: TcpListener,
    app: Router,
    stopped: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let asked = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let server = axum::serve(listener, app).with_graceful_shutdown(asked(stopped.clone()));
    // Connections that a browser opened in advance, or that stall, would be waited for without end.
    let patience = async {
        asked(stopped).await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        ended = async { server.await } => ended,
        () = patience => Ok(()),
    }
}

/// The answer to one request.
async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return reply::wrong_method();
    }
    let path = parts.uri.path();
    let Some(names) = Names::read(path) else {
        return reply::nothing_at(path);
    };
    let found = {
        let server = Arc::clone(&server);
        reply::unblocked(move || server.roots.find(&names)).await
    };
    match found {
        Ok(Some(Found::File(file))) => match server.files.answer(&file, &parts).await {
            Ok(response) => response,
            Err(error) => reply::unreadable(path, &error),
        },
        Ok(Some(Found::Folder)) => reply::moved_into_folder(&parts.uri),
        Ok(Some(Found::List(list))) => reply::json(list),
        Ok(None) => reply::nothing_at(path),
        Err(error) => reply::unreadable(path, &error),
    }
}

/// One line per request, with `-v`.
async fn log(request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let start = Instant::now();
    let response = next.run(request).await;
    let status: StatusCode = response.status();
    let ms = start.elapsed().as_millis();
    tracing::info!("{method} {uri} {} in {ms} ms", status.as_u16());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_printed_can_be_opened() {
        let told = |host: &str, address: &str| url(host, address.parse().unwrap());
        assert_eq!(told("127.0.0.1", "127.0.0.1:81"), "http://127.0.0.1:81/");
        assert_eq!(told("localhost", "127.0.0.1:81"), "http://localhost:81/");
        assert_eq!(told("0.0.0.0", "0.0.0.0:81"), "http://127.0.0.1:81/");
        assert_eq!(told("::1", "[::1]:81"), "http://[::1]:81/");
        assert_eq!(told("[::1]", "[::1]:81"), "http://[::1]:81/");
        assert_eq!(told("::", "[::]:81"), "http://[::1]:81/");
    }
}
