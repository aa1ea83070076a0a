"""What an alarm says by mail and messengers: in both languages, as nobody knows who reads it."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {  # kind -> English, Russian
    "engine": ("The engine has stopped", "Движок остановился"),
    "inbox": ("What has arrived waits too long", "Пришедшее ждёт слишком долго"),
    "unread": ("A version does not read, its runs wait: {name}",
               "Версия не читается, её прохождения ждут: {name}"),
    "set_aside": ("What has arrived could not be applied, because of a defect: {name}",
                  "Пришедшее не удалось учесть из-за ошибки в программе: {name}"),
    "runs_set_aside": ("Runs cannot be moved, because of a defect: {name}",
                       "Прохождения не удаётся вести дальше из-за ошибки в программе: {name}"),
    "entries_rest": ("Nobody enters by launches or dates for now, because of a defect",
                     "Запуски и даты пока никого не вводят из-за ошибки в программе"),
    "counting_rests": ("Figures are not counted and nothing is tidied up for now, because of a defect",
                       "Показатели пока не считаются, уборка не идёт из-за ошибки в программе"),
    "guard": ("Cascade {name} is paused by a guardrail", "Каскад {name} приостановлен предохранителем"),
    "guard_step": ("Step {name} is paused by a guardrail", "Шаг {name} приостановлен предохранителем"),
    "guard_told": ("{name} is beyond a bound, and goes on", "{name}: граница превышена, каскад идёт"),
    "account_told": ("Account {name} is beyond a bound, and goes on",
                     "Аккаунт {name}: граница превышена, отправка идёт"),
    "canary": ("The canary of {name} was stopped", "Пробный запуск каскада {name} остановлен"),
    "launch_missed": ("A launch of {name} did not begin at its date",
                      "Запуск каскада {name} не начался в срок"),
    "canary_version": ("The canary of a new version was stopped: {name}",
                       "Проба новой версии остановлена: {name}"),
    "account_held": ("Account {name} is held, sends nothing", "Аккаунт {name} удержан, не отправляет"),
    "account_down": ("Account {name} does not answer; messages waiting: {detail}",
                     "Аккаунт {name} не отвечает; сообщений ждёт: {detail}"),
    "account_silent": ("Account {name} has taken nothing for half a minute; messages waiting: {detail}",
                       "Аккаунт {name} полминуты ничего не принимает; сообщений ждёт: {detail}"),
    "account_trouble": ("Account {name} has trouble", "У аккаунта {name} неполадка"),
    "budget_used": ("The budget of {name} is used up: {detail} %", "Бюджет исчерпан ({name}): {detail} %"),
    "budget_near": ("The budget of {name} is nearly used up: {detail} %",
                    "Бюджет почти исчерпан ({name}): {detail} %"),
    "uneven": ("The lot of {name} does not fall as it should: compare nothing",
               "Жребий {name} выпадает не так, как должен: сравнивать нельзя"),
    "uneven_trial": ("The versions on trial of {name} are not shared out as they should be: compare nothing",
                     "Пробные версии {name} достаются не тем долям людей: сравнивать нельзя"),
    "stranded": ("People in {name} cannot be carried on", "Людей в каскаде {name} нельзя вести дальше"),
    "webhook": ("Webhook {name} does not take what it is told", "Вебхук {name} не принимает события"),
    "stops": ("Replies that may mean “stop” wait for a person: {name}",
              "Ответы, похожие на «стоп», ждут человека: {name}"),
    "winner": ("The best is found by its rule: {name}", "Лучшее найдено по правилу: {name}"),
    "no_address": ("Nobody outside can reach this installation: set base_url",
                   "Снаружи эта установка недоступна: задайте base_url"),
}  # fmt: skip
_OVER = ("Over", "Прошло")
_STANDS = ("Still", "Всё ещё")
_SAYS_IT = (
    "set_aside",
    "account_down",
    "account_silent",
    "budget_used",
    "budget_near",
    "stops",
    "no_address",
)  # their words hold the detail already
_GUARD, _ACCOUNT = "/cascades/{cascade}/guard", "/channels/accounts/{name}"
_PAGES: Mapping[str, str] = {  # kind -> where something can be done about it
    "guard": _GUARD, "guard_step": _GUARD, "guard_told": _GUARD, "canary": _GUARD, "canary_version": _GUARD,
    "launch_missed": "/cascades/{cascade}",
    "stranded": "/cascades/{cascade}", "winner": "/cascades/{cascade}/trials",
    "uneven_trial": "/cascades/{cascade}/trials", "uneven": "/cascades/{cascade}/uplift?all=yes",
    "account_told": _ACCOUNT, "account_held": _ACCOUNT, "account_down": "/channels",
    "account_silent": "/channels",
    "account_trouble": "/channels", "webhook": "/settings/webhooks/{name}", "stops": "/inbox",
    "set_aside": "/settings/health", "runs_set_aside": "/settings/health",
    "entries_rest": "/settings/health", "counting_rests": "/settings/health",
    "unread": "/cascades/{cascade}/versions",
}  # fmt: skip


def page(kind: str, name: str) -> str:
    """Return the page where something can be done about an alarm; "" where there is none of its own."""
    return _PAGES.get(kind, "").format(cascade=name.split("/")[0], name=name)


def subject(occasion: str, kind: str, name: str, detail: str) -> str:
    """Return the subject of what is told."""
    return f"Kaskad: {_line(0, occasion, kind, name, detail)}"


def text(occasion: str, kind: str, name: str, details: tuple[str, str], base_url: str) -> str:
    """Return what is told, in English and then in Russian, each with its reason of `details`, and the page
    where something can be done about it."""
    lines = []
    for language, detail in enumerate(details):
        told = _line(language, occasion, kind, name, detail)
        why = "" if kind in _SAYS_IT or not detail else f" {detail[:1].upper()}{detail[1:]}"
        lines.append(f"{told}.{why}{'.' if why and not why.endswith('.') else ''}")
    if base_url:
        lines.append(f"{base_url}{page(kind, name) or '/'}")
    return "\n\n".join(lines)


def _line(language: int, occasion: str, kind: str, name: str, detail: str) -> str:
    told = WORDS[kind][language].format(name=name, detail=detail) if kind in WORDS else f"{kind} {name}"
    before = {"over": _OVER, "stands": _STANDS}.get(occasion)
    return f"{before[language]}: {told}" if before else told
