"""From Airflow's connections to a Workplace, and from our errors to Airflow's."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

from phrasemill.airflow.hook import EnginesHook
from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.errors import EngineRefused, PhrasemillError
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace
from phrasemill.store.bucket import Bucket, client_config
from phrasemill.store.corpus_store import CorpusStore

log = logging.getLogger(__name__)


def workplace(corpus: str, run_id: str, *, engines: bool = False) -> Workplace:
    """The workplace of a corpus, from its file and the connections that it names.

    Args:
        corpus: the corpus's name.
        run_id: of the Dag run; kept with what it makes.
        engines: whether the step asks engines, and so needs their connection.

    Raises:
        SpecError: the corpus file is wrong.
        EngineRefused: the engines' connection names none, or another model, or limits that cannot hold.
    """
    spec = load_corpus(find_corpus(corpus))
    store = corpus_store(spec)
    if not engines:
        return Workplace(spec=spec, store=store, run_id=run_id)
    hook = EnginesHook(spec.engines.connection)
    if hook.model and hook.model != spec.model.name:
        raise EngineRefused(
            f"connection {hook.conn_id!r} is for model {hook.model!r}, corpus {spec.name!r} names "
            f"{spec.model.name!r}; name another connection under engines.connection, or correct the model"
        )
    limits = hook.limits()
    if limits and limits.budget_per_night and not (spec.price and spec.price.by_token):
        raise EngineRefused(
            f"connection {hook.conn_id!r} has a budget_per_night of {limits.budget_per_night:g}, and corpus "
            f"{spec.name!r} does not say what a token costs; give price.per_million_prompt_tokens and "
            "per_million_completion_tokens in the corpus file, or take the budget out of the connection"
        )
    return Workplace(
        spec=spec,
        store=store,
        run_id=run_id,
        engine_urls=hook.get_conn(),
        api_key=hook.api_key,
        limits=limits,
    )


def corpus_store(spec: CorpusSpec) -> CorpusStore:
    """The corpus's bucket, through the standard aws connection that the spec names.

    What the connection sets in config_kwargs wins over our own client settings.
    """
    hook = S3Hook(aws_conn_id=spec.storage.connection)
    config = client_config().merge(hook.config) if hook.config else client_config()
    return CorpusStore(Bucket(hook.get_client_type(config=config), spec.storage.bucket), spec)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn our errors into Airflow's: what no retry mends fails at once, the rest is retried.

    The message is logged as one line of its own; Airflow's traceback below it is cut to the raise.
    """
    try:
        yield
    except AirflowNotFoundException as error:
        raise AirflowFailException(f"{error}; make the connection under Admin, Connections") from None
    except PhrasemillError as error:
        # The sentence is the message; a traceback would say nothing more.
        log.error("%s", error)  # noqa: TRY400
        raise (AirflowException if error.retryable else AirflowFailException)(str(error)) from None
