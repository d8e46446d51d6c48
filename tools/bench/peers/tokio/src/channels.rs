// SPDX-License-Identifier: MIT

//! Channels and select.

use tokio::sync::mpsc::{channel, Receiver};
use tokio::task::spawn;

use crate::Job;

/// One pair: the task that calls it and another one.
async fn ping_pong(rounds: u64) {
    let (ping, mut pinged) = channel::<u64>(1);
    let (pong, mut ponged) = channel::<u64>(1);
    spawn(async move {
        while let Some(v) = pinged.recv().await {
            pong.send(v + 1).await.unwrap();
        }
    });
    let mut v = 0;
    for _ in 0..rounds {
        ping.send(v).await.unwrap();
        v = ponged.recv().await.unwrap();
    }
    assert_eq!(v, rounds);
}

pub fn unbuf(_: u64, rounds: u64) -> Job {
    let rounds = rounds * 1000;
    Box::pin(async move {
        ping_pong(rounds).await;
        rounds
    })
}

pub fn pairs(_: u64, rounds: u64) -> Job {
    let rounds = rounds * 1000;
    Box::pin(async move {
        let both = [spawn(ping_pong(rounds)), spawn(ping_pong(rounds))];
        for pair in both {
            pair.await.unwrap();
        }
        2 * rounds
    })
}

pub fn buf(_: u64, rounds: u64) -> Job {
    let items = rounds * 1000;
    Box::pin(async move {
        let (to, mut from) = channel::<u64>(128);
        spawn(async move {
            for i in 0..items {
                to.send(i).await.unwrap();
            }
        });
        let mut n = 0;
        while from.recv().await.is_some() {
            n += 1;
        }
        assert_eq!(n, items);
        n
    })
}

/// The producer of the select workloads: round-robin into N channels.
fn round_robin<const N: usize>(items: u64) -> [Receiver<u64>; N] {
    let (to, from): (Vec<_>, Vec<_>) = (0..N).map(|_| channel(1)).unzip();
    spawn(async move {
        for _ in 0..items / N as u64 {
            for to in &to {
                to.send(1).await.unwrap();
            }
        }
    });
    from.try_into().unwrap()
}

pub fn select2(_: u64, rounds: u64) -> Job {
    let items = rounds * 1000;
    Box::pin(async move {
        let [mut a, mut b] = round_robin(items);
        let mut sum = 0;
        for _ in 0..items {
            sum += tokio::select! {
                Some(v) = a.recv() => v,
                Some(v) = b.recv() => v,
                else => break,
            };
        }
        assert_eq!(sum, items);
        items
    })
}

pub fn select8(_: u64, rounds: u64) -> Job {
    let items = rounds * 1000;
    Box::pin(async move {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = round_robin(items);
        let mut sum = 0;
        for _ in 0..items {
            sum += tokio::select! {
                Some(v) = a.recv() => v,
                Some(v) = b.recv() => v,
                Some(v) = c.recv() => v,
                Some(v) = d.recv() => v,
                Some(v) = e.recv() => v,
                Some(v) = f.recv() => v,
                Some(v) = g.recv() => v,
                Some(v) = h.recv() => v,
                else => break,
            };
        }
        assert_eq!(sum, items);
        items
    })
}
