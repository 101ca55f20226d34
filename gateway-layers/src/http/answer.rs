//! [`AnswerOr`]: the future of layers that answer some requests by themselves.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// An answer that is ready, or the inner service's future.
    #[project = Projected]
    #[derive(Debug)]
    pub(crate) enum AnswerOr<F, R> {
        /// Answers at once.
        Answer { response: Option<Response<R>> },
        /// Asks the inner service.
        Inner {
            #[pin]
            future: F,
        },
    }
}

impl<F, R> AnswerOr<F, R> {
    pub(crate) const fn inner(future: F) -> Self {
        Self::Inner { future }
    }

    pub(crate) const fn answer(response: Response<R>) -> Self {
        Self::Answer { response: Some(response) }
    }
}

impl<F, R, E> Future for AnswerOr<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            Projected::Answer { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it was ready")))
            }
            Projected::Inner { future } => future.poll(cx),
        }
    }
}
