//! [`join`]: two connections become one.
use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    time::{Instant, sleep_until},
};

/// Bytes that are on the way in one direction: no more is read before these are written.
const BUFFER: usize = 16 * 1024;

/// Copies both ways until both sides have ended, or nothing moved for `idle`. One side's end is passed on while
/// the other still sends. A side that does not read is not read for: 16 KiB of each direction are held at most.
/// `moved` is told of bytes that were written: from `a` (`true`) or from `b`.
pub(crate) async fn join<A, B>(a: A, b: B, idle: Option<Duration>, moved: impl Fn(bool, usize)) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let last = Mutex::new(Instant::now());
    let ((read_a, write_a), (read_b, write_b)) = (split(a), split(b));
    let touch = || *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    let from_a = |length| {
        touch();
        moved(true, length);
    };
    let from_b = |length| {
        touch();
        moved(false, length);
    };
    let both = async { tokio::try_join!(copy(read_a, write_b, &from_a), copy(read_b, write_a, &from_b)) };
    let silence = async {
        let Some(idle) = idle else { return std::future::pending().await };
        loop {
            let end = *last.lock().unwrap_or_else(PoisonError::into_inner) + idle;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    };
    tokio::select! {
        done = both => done.map(|_| ()),
        () = silence => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &impl Fn(usize),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let mut rest = buffer.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            // Piece by piece: a peer that takes little at a time is not silent.
            let written = to.write(rest).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            moved(written);
            rest = rest.get(written..).unwrap_or_default();
        }
        to.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::duplex;

    use super::*;

    const IDLE: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_silent_tunnel_ends_and_a_half_closed_one_goes_on() {
        let ((mut client, a), (mut server, b)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(join(a, b, Some(IDLE), |_, _| {}));
        client.write_all(b"hello").await.expect("open");
        client.shutdown().await.expect("open");
        let mut seen = Vec::new();
        server.read_to_end(&mut seen).await.expect("open");
        assert_eq!(seen, b"hello");
        server.write_all(b"late").await.expect("the other way is open");
        let mut late = [0; 4];
        client.read_exact(&mut late).await.expect("open");
        let start = Instant::now();
        let ended = tunnel.await.expect("no panic").expect_err("silence");
        assert_eq!((ended.kind(), start.elapsed()), (io::ErrorKind::TimedOut, IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_read_holds_up_only_what_is_for_it() {
        static MOVED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let ((mut client, a), (mut server, b)) = (duplex(1024), duplex(1024));
        tokio::spawn(join(a, b, None, |from_client, length| {
            MOVED[usize::from(from_client)].fetch_add(length, Ordering::Relaxed);
        }));
        // The service does not read: buffers fill, and then the client waits.
        let (most, mut sent) = (1024 + BUFFER + 1024, 0);
        while let Ok(written) = tokio::time::timeout(IDLE, client.write(&[1; 1000])).await {
            sent += written.expect("open");
            assert!(sent <= most, "unbounded: {sent}");
        }
        assert_eq!(MOVED[1].load(Ordering::Relaxed), 1024);
        // The other way is open.
        for _ in 0..100 {
            server.write_all(&[2; 1000]).await.expect("open");
            client.read_exact(&mut [0; 1000]).await.expect("open");
        }
        let mut back = vec![0; sent];
        server.read_exact(&mut back).await.expect("nothing is lost");
        assert_eq!([0, 1].map(|n| MOVED[n].load(Ordering::Relaxed)), [100_000, sent]);
    }
}
