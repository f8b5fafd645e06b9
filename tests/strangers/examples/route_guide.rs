//! The route guide kind of tonic: its default `Channel` and `Server`, streams of one way and of both, behind a silent proxy.

use std::time::Duration;

use pulseless::stranger::delivered;
use pulseless::{Durations, Proxy, Trial, Trouble};
use strangers::guide::{After, GuideClient, chat, serve};
use tokio::time::{sleep, timeout};

/// Follows all notes, and again after the last one where the stream ends, or says nothing for too long.
async fn follow(url: &str, patience: Duration) -> strangers::Result {
    let mut after = 0;
    loop {
        let following = async {
            let mut guide = timeout(patience, GuideClient::connect(url.to_owned())).await??;
            let mut notes = timeout(patience, guide.follow(After { number: after })).await??.into_inner();
            while let Some(note) = timeout(patience, notes.message()).await?? {
                after = note.number;
                delivered("orders", after, after);
            }
            strangers::Result::Ok(())
        };
        let ended = following.await;
        tracing::debug!(?ended, "follows again");
        sleep(1.seconds()).await;
    }
}

pub fn trial(seed: u64, patience: Duration) -> Trial {
    Trial::new(seed)
        .host("server", || serve("0.0.0.0:50051"))
        .proxy("edge", Proxy::to("server:50051"))
        .host("client", move || follow("http://edge:50051", patience))
        .host("chatter", || chat("http://edge:50051"))
}

pub fn main() {
    let silence = Trouble::silence("edge").at(2.minutes()).lasting(5.minutes());
    trial(7, 30.seconds()).fault(silence).run(15.minutes()).assert_delivered("orders");
}
