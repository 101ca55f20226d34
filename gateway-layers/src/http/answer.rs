//! [`ResponseFuture`]: of layers that answer some requests by themselves.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// The future of a layer that answers some requests by itself, and passes the others.
    #[derive(Debug)]
    pub struct ResponseFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = Projected]
    #[derive(Debug)]
    enum State<F, R> {
        Answer { response: Option<Response<R>> },
        Inner {
            #[pin]
            future: F,
        },
    }
}

impl<F, R> ResponseFuture<F, R> {
    /// Asks the inner service.
    pub(super) const fn inner(future: F) -> Self {
        Self { state: State::Inner { future } }
    }

    /// Answers at once.
    pub(super) const fn answer(response: Response<R>) -> Self {
        Self { state: State::Answer { response: Some(response) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            Projected::Answer { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it was ready")))
            }
            Projected::Inner { future } => future.poll(cx),
        }
    }
}
