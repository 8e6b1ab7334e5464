"""Long but natural texts for the planted over-long questions: logs that somebody pastes whole into a post.

Lists of different, coprime lengths are walked in step, so that the lines differ without any randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import count

SKY = (
    "맑음",
    "구름이 많고 바람이 셈",
    "오전에 비, 오후에 갬",
    "하루 종일 흐림",
    "안개가 늦게까지 낌",
    "눈이 조금 날림",
    "볕이 아주 좋음",
)
LEAF = (
    "맨 아래 잎 끝이 손톱만큼 누렇게 말랐다",
    "어제보다 잎이 창 쪽으로 더 기울어 있었다",
    "돌돌 말린 새순 같은 것이 보였는데 자세히 보니 받침잎이었다",
    "잎에 먼지가 앉아 젖은 천으로 닦아 주었다",
    "공기뿌리가 1 cm쯤 길어져 흙으로 유도했다",
    "가운데 잎의 갈라진 틈이 전보다 또렷해졌다",
    "잎 뒷면을 돋보기로 살폈지만 벌레는 없었다",
    "줄기 마디에 작은 혹이 생겨 사진을 찍어 두었다",
    "잎자루가 축 처졌다가 저녁에 다시 올라왔다",
    "아무 변화가 없어서 오히려 걱정스러웠다",
    "잎 하나를 실수로 건드려 끝이 찢어졌다",
)
CARE = (
    "물 300 mL를 두 번에 나누어 주었다",
    "겉흙이 아직 촉촉해서 물은 건너뛰었다",
    "화분을 반 바퀴 돌려놓았다",
    "받침에 고인 물을 비웠다",
    "분무기로 잎 둘레에만 물을 뿌렸다",
    "작은 선풍기를 한 시간 틀어 바람을 쐬게 했다",
    "커튼을 걷어 빛을 더 들였다",
    "묽게 탄 액체 비료를 한 컵 주었다",
    "난방기에서 두 뼘 더 떨어뜨렸다",
    "나무젓가락을 꽂아 속흙이 젖었는지 확인했다",
    "지지대를 5 cm 높여 다시 묶었다",
    "밤에는 거실로 들여놓았다",
    "하루 동안 그대로 두고 보기만 했다",
)
SYMPTOM = (
    "첫 화면이 뜨는 데 시간이 걸렸지만 오류는 없었다",
    "장바구니 담기가 두 번에 한 번꼴로 멈칫했다",
    "관리자 화면에서 주문 목록이 늦게 펼쳐졌다",
    "결제 모듈이 한 차례 시간 초과를 내고 다시 시도해 성공했다",
    "상품 사진이 위에서부터 천천히 채워졌다",
    "검색어를 넣으면 한참 뒤에야 결과가 나왔다",
    "손님 문의 전화가 한 통 왔고 새로고침 뒤에는 괜찮다고 했다",
    "쿠폰 확인 단계에서 화면이 하얗게 보였다",
    "눈에 띄는 불편은 없었다",
    "로그인은 빨랐는데 마이페이지만 느렸다",
    "배송 조회가 빈 칸으로 나왔다가 채워졌다",
)
ACTION = (
    "접속 기록을 훑었더니 같은 주소의 요청이 몰려 있어 잠시 막았다",
    "오래된 세션 파일을 지워 디스크를 조금 비웠다",
    "데이터베이스의 느린 질의 목록을 따로 저장했다",
    "캐시 서버를 다시 올리고 적중률을 지켜보았다",
    "아무것도 건드리지 않고 숫자만 적었다",
    "백업 작업이 도는 중인지 프로세스 목록을 확인했다",
    "로그 파일을 압축하도록 예약을 하나 걸었다",
    "작업자 수를 여섯에서 여덟로 늘려 보았다",
    "색인을 다시 만드는 일은 위험해 보여 미루었다",
    "네트워크 사용량 그림을 갈무리해 두었다",
    "시각이 어긋나지 않았는지 시계 동기화를 살폈다",
    "사진 변환 작업의 대기열 길이를 세어 보았다",
    "메모리를 많이 쓰는 순서로 다섯 개를 적어 두었다",
)


def plant_diary() -> Iterator[str]:
    """One line for each day of a plant owner's diary, without end."""
    for i in count():
        day = date(2025, 1, 6) + timedelta(days=i)
        air = f"창가 온도 {14 + i * 5 % 11}도, 습도 {38 + i * 7 % 29}%."
        done = f"{LEAF[i * 4 % 11]}. 그래서 {CARE[i * 6 % 13]}."
        yield f"{day.month}월 {day.day}일, {SKY[i * 3 % 7]}. {air} {done}"


def server_log() -> Iterator[str]:
    """One line for each hour of a night watch over a small server, without end."""
    for i in count():
        hour = datetime(2026, 4, 20, 1) + timedelta(hours=i)
        load = f"CPU {17 + i * 13 % 71}%, 응답 {180 + i * 97 % 1900} ms, 접속 {40 + i * 31 % 230}명."
        yield f"[{hour:%m-%d %H}시] {load} {SYMPTOM[i * 5 % 11]}. {ACTION[i * 8 % 13]}."


GENERATORS: dict[str, Callable[[], Iterator[str]]] = {"plant_diary": plant_diary, "server_log": server_log}


def long_text(name: str, length: int = 8600) -> str:
    """Lines of the named generator until the text is longer than `length` characters."""
    lines: list[str] = []
    size = 0
    for line in GENERATORS[name]():
        lines.append(line)
        size += len(line) + 1
        if size > length:
            break
    return "\n".join(lines)
