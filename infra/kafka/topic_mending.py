"""Sets the settings of the topics that are wrong. Partitions and replicas are left to the operators, who know the cluster."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from event_schemas.topics import TOPICS
from infra.kafka.topic_guard import FoundTopic, connected_admin, found_by, wrong_settings
from infra.process.settings import Settings

_LOOK_AGAIN_S = 0.2
_LOOKS = 50


class NotMended(Exception):
    """A topic can't be mended without loss, or the broker goes on to show it as it was; the text says which."""


async def mend_topics(settings: Settings) -> list[str]:
    """Set what is wrong and can be set, and nothing else. Returns what was changed, one sentence each.

    Raises BrokerAway when no broker answers or one refuses, NotMended.
    """
    async with connected_admin(settings) as admin:
        found = await found_by(admin)
        changed = []
        for name, wrong in _wrong(found).items():
            await _set(admin, name, found[name].overrides, wrong)
            changed += [f"{name}: {setting} was {found[name].settings.get(setting)}, is {value}" for setting, value in wrong.items()]
        if changed:
            await _seen(admin)
        return changed


def _wrong(found: dict[str, FoundTopic]) -> dict[str, dict[str, str]]:
    wrong = {topic.name: wrong_settings(topic, found[topic.name]) for topic in TOPICS if topic.name in found}
    return {name: settings for name, settings in wrong.items() if settings}


async def _set(admin: AIOKafkaAdminClient, name: str, overrides: dict[str, str], wrong: dict[str, str]) -> None:
    """Set all overrides: aiokafka has only the older AlterConfigs, which removes every override that it is not given."""
    hidden = [setting for setting, value in overrides.items() if value is None]
    if hidden:
        raise NotMended(
            f"{name}: the broker does not show {', '.join(hidden)}, which would be lost: set {wrong} with a tool of the cluster"
        )
    for answer in await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=overrides | wrong)]):
        for code, message, *_ in answer.resources:
            if code:
                refusal: KafkaError = for_code(code)(f"{name}: {message or ''}")
                raise refusal


async def _seen(admin: AIOKafkaAdminClient) -> None:
    """Wait until the broker that is asked shows the change: several brokers learn of it at different times."""
    for _ in range(_LOOKS):
        left = _wrong(await found_by(admin))
        if not left:
            return
        await asyncio.sleep(_LOOK_AGAIN_S)
    raise NotMended(f"the broker took the settings and still shows others: {left}")
