//! A listening thread that can go down and come up again on the same port, and a log that can be waited for.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, mpsc as std_mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(30);

enum Control {
    Down(std_mpsc::Sender<()>),
    Up(std_mpsc::Sender<()>),
}

/// A server on a thread with its own runtime; ends when dropped.
pub struct Server {
    address: SocketAddr,
    control: Option<mpsc::UnboundedSender<Control>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts on a free port; each connection is handed to `serve`.
    pub fn start<S, F>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (control, commands) = mpsc::unbounded_channel();
        let (told, address) = std_mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(serve, commands, told));
        });
        Self { address: address.recv().unwrap(), control: Some(control), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and refuses new ones. The port stays ours.
    pub fn down(&self) {
        self.tell(Control::Down);
    }

    /// Listens again, on the same port.
    pub fn up(&self) {
        self.tell(Control::Up);
    }

    fn tell(&self, what: impl FnOnce(std_mpsc::Sender<()>) -> Control) {
        let (done, wait) = std_mpsc::channel();
        self.control.as_ref().unwrap().send(what(done)).ok().unwrap();
        wait.recv().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.control.take());
        if let Some(thread) = self.thread.take() {
            // It panicked only if `serve` did not get a port; the test has failed on that already.
            let _ = thread.join();
        }
    }
}

async fn run<S, F>(serve: S, mut commands: mpsc::UnboundedReceiver<Control>, told: std_mpsc::Sender<SocketAddr>)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = Some(bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).listen(1024).unwrap());
    let address = listener.as_ref().unwrap().local_addr().unwrap();
    told.send(address).unwrap();
    let mut held = None;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                None => return,
                Some(Control::Down(done)) => {
                    drop(listener.take());
                    connections.shutdown().await;
                    // Bound but not listening: connections are refused, and nobody else gets the port.
                    held = Some(held.take().unwrap_or_else(|| bound(address)));
                    done.send(()).unwrap();
                }
                Some(Control::Up(done)) => {
                    if let Some(socket) = held.take() {
                        listener = Some(TcpSocket::listen(socket, 1024).unwrap());
                    }
                    done.send(()).unwrap();
                }
            },
            stream = accept(listener.as_ref()) => { connections.spawn(serve(stream)); }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.unwrap().0,
        None => std::future::pending().await,
    }
}

/// What arrived, in order.
pub struct Log<T>(Arc<(Mutex<Vec<T>>, Condvar)>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Log<T> {
    /// Appends.
    pub fn push(&self, item: T) {
        self.0.0.lock().unwrap().push(item);
        self.0.1.notify_all();
    }

    /// All there is now.
    pub fn all(&self) -> Vec<T> {
        self.0.0.lock().unwrap().clone()
    }

    /// All there is, once there are at least `count`; fails the test after half a minute.
    pub fn wait(&self, count: usize) -> Vec<T> {
        self.wait_until(|items| items.len() >= count)
    }

    /// All there is, once `enough` of it; fails the test after half a minute.
    pub fn wait_until(&self, enough: impl Fn(&[T]) -> bool) -> Vec<T> {
        let end = Instant::now() + PATIENCE;
        let mut items = self.0.0.lock().unwrap();
        while !enough(&items) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain; {} arrived", items.len());
            items = self.0.1.wait_timeout(items, left).unwrap().0;
        }
        items.clone()
    }
}
