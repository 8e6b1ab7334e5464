"""Pages that speak of a licence which is not their own: of a picture, of another's work, of none, of what others may do. A page that is
wrongly taken to be free is the worst mistake of this reader, since it puts into a corpus what nobody has given."""

from __future__ import annotations

import pytest

from yisang.sources.rights.licences import page_licence

CC = "https://creativecommons.org/licenses/"
URL = "https://blog.example.org/post/1"


def page(article: str = "", footer: str = "", title: str = "A day at the river") -> str:
    return (
        f"<html><head><title>{title}</title></head><body><div id='content' class='content'><h1>{title}</h1>"
        f"<p>The water was high that day.</p>{article}</div><footer id='footer'><p>{footer}</p></footer></body></html>"
    )


OF_OTHERS = {
    "a credit beside a link to a place of pictures": f'<p><a href="https://www.flickr.com/photos/a">A. Doe</a> <a rel="license" href="{CC}by/2.0/">CC BY 2.0</a></p>',
    "an article of another site": "<p>All content of Wikipedia is available under a CC BY-SA 3.0 license.</p>",
    "articles of another publisher": "<p>Articles in PLOS are published under the Creative Commons Attribution License.</p>",
    "texts of another site in German": "<p>Die Texte der Wikipedia stehen unter der Lizenz CC BY-SA 3.0.</p>",
    "material out of another work": f'<p>This article uses material from the article "River", which is released under <a href="{CC}by-sa/3.0/">CC BY-SA 3.0</a>.</p>',
    "an article that is based on another's": f'<p>Dieser Artikel basiert auf dem Artikel Fluss und steht unter <a href="{CC}by-sa/3.0/">CC BY-SA 3.0</a>.</p>',
    "a comment as Korean blogs call it": '<div class="reply_area"><ul class="list_reply"><li>이 글은 CC BY 4.0 라이선스에 따라 이용할 수 있습니다.</li></ul></div>',
    "a signature": f'<div class="signature">My posts: <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a></div>',
    "a related page": f'<div class="related-posts"><a href="/b">B</a> <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a></div>',
    "a credit of a KOGL picture": "<p>사진 출처: 국가기관, 공공누리 제1유형</p>",
    "a picture's caption with its owner": "<p>▲ 강변 산책로 ⓒ나루시청 홍보실(공공누리 제1유형)</p>",
    "pictures of the page": "<p>※ 본 페이지의 사진은 공공누리 제1유형에 따라 이용할 수 있습니다.</p>",
    "a font": "<p>이 사이트는 공공누리 제1유형 서체를 사용합니다.</p>",
    "news of a body that opens its works": "<p>나루시는 공공저작물 1만 건을 공공누리 제1유형으로 개방한다고 밝혔다. 누구나 이용할 수 있다.</p>",
    "a plan": "<p>나루시는 올해 안에 모든 간행물에 공공누리 제1유형을 적용하기로 했다.</p>",
    "the title of another page": '<ul><li>다음글 <a href="/2">공공누리 제1유형 사진 공모전 개최</a></li></ul>',
    "a question about the types": "<p>Q. 공공누리 제1유형이란?</p>",
    "where a mark stands": "<p>공공누리 제1유형 표시가 있는 자료만 이용할 수 있습니다.</p>",
    "a course about the types": "<p>교육 내용: 공공누리 유형별 이용 방법(제1유형)</p>",
    "a source that was consulted": "<p>이 글은 국가기관의 「건축 통계」(공공누리 제1유형)를 참고하여 작성했습니다.</p>",
    "the mark of a file beside it": '<div><a href="/get.do?id=1">보고서.hwp</a> <img src="/img_opentype01.png" alt="공공누리 제1유형"></div>',
}
IN_FOOTERS = {
    "pictures on the site": f'Images on this site are licensed under <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a>.',
    "pictures on the site in German": f'Die Fotos auf dieser Website stehen unter <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a>.',
    "pictures of the blog alone": "이 블로그의 사진만 CC BY 4.0 라이선스에 따라 이용할 수 있습니다.",
    "pictures of the site": "本サイトの写真は CC BY 4.0 の下で提供されています。",
    "not licensed": "This site is not licensed under Creative Commons Attribution 4.0.",
    "no longer licensed": f'This blog is no longer available under <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a>.',
    "does not apply": "이 블로그의 글은 CC BY 4.0 라이선스가 적용되지 않습니다.",
    "not under it in German": f'Dieser Blog steht nicht unter <a href="{CC}by/4.0/">CC BY 4.0</a>.',
}


@pytest.mark.parametrize("said", OF_OTHERS.values(), ids=OF_OTHERS.keys())
def test_what_is_said_of_others_is_not_the_pages(said: str):
    found = page_licence(page(said), URL)
    assert found.licence is None, found.findings
    assert found.findings, "it is not even seen"


@pytest.mark.parametrize("said", IN_FOOTERS.values(), ids=IN_FOOTERS.keys())
def test_what_a_footer_says_of_pictures_or_denies_is_not_the_pages(said: str):
    found = page_licence(page(footer=said), URL)
    assert found.licence is None, found.findings
    assert found.findings, "it is not even seen"


def test_a_page_that_explains_how_works_may_be_used_is_under_none_of_the_types():
    said = "<p>공공누리 제1유형은 출처표시만 하면 자유롭게 이용할 수 있습니다.</p>"
    found = page_licence(page(said, "Copyright 나루시. All rights reserved.", "저작권정책"), URL)
    assert found.licence is not None
    assert found.licence.letter == "C", found.findings


@pytest.mark.parametrize(
    "said",
    [
        "본 블로그의 모든 글은 무단 도용 및 2차 가공을 금합니다.",
        "무단 복제 및 수정, 배포를 금지합니다.",
        "불펌 금지",
        "퍼가기를 금합니다.",
    ],
)
def test_what_korean_blogs_say_to_keep_their_rights_is_known(said: str):
    found = page_licence(page(f"<p>{said}</p>", f'<a rel="license" href="{CC}by/4.0/">CC BY 4.0</a>'), URL)
    assert found.licence is not None
    assert (found.licence.letter, found.agreement) == ("C", "disagree"), found.findings


def test_a_badge_that_asks_for_more_than_the_link_around_it_counts():
    badge = '<img src="https://i.creativecommons.org/l/by-nc/3.0/88x31.png">'
    found = page_licence(page(footer=f'<a rel="license" href="{CC}by/4.0/">{badge}</a>'), URL)
    assert found.licence is not None
    assert (found.licence.letter, found.agreement) == ("B", "disagree"), found.findings
    same = page_licence(page(footer=f'<a rel="license" href="{CC}by-nc/4.0/">{badge}</a>'), URL)
    assert same.licence is not None
    assert (same.licence.id, same.agreement) == ("CC-BY-NC-4.0", "one"), same.findings


def test_the_licence_of_what_is_reviewed_is_not_the_reviews():
    data = f'{{"@type": "Review", "itemReviewed": {{"@type": "Book", "license": "{CC}by/4.0/"}}}}'
    html = page().replace("</head>", f'<script type="application/ld+json">{data}</script></head>')
    found = page_licence(html, URL)
    assert found.licence is None, found.findings


@pytest.mark.parametrize(
    ("article", "footer", "id"),
    [
        (
            "",
            f'Text and images on this site are licensed under <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a>.',
            "CC-BY-4.0",
        ),
        (
            "",
            f'Images and text on this site are licensed under <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a>.',
            "CC-BY-4.0",
        ),
        (
            "",
            f'All content on Example.org is licensed under <a rel="license" href="{CC}by/4.0/">CC BY 4.0</a>.',
            "CC-BY-4.0",
        ),
        (
            "<p>이 글은 CC BY-NC 4.0 라이선스에 따라 이용할 수 있으며 상업적 이용은 허락하지 않습니다.</p>",
            "",
            "CC-BY-NC-4.0",
        ),
        ("<p>This post is licensed under CC BY-NC 4.0, commercial use is not covered.</p>", "", "CC-BY-NC-4.0"),
        ("<p>이 게시물은 공공누리 제1유형(출처표시) 조건에 따라 이용할 수 있으나 사진은 제외됩니다.</p>", "", "KOGL-1"),
        ("<p>누리연구원 공공누리 제2유형(출처표시, 상업적 이용금지)</p>", "", "KOGL-2"),
    ],
)
def test_the_like_of_it_that_is_the_pages_is_still_read(article: str, footer: str, id: str):
    found = page_licence(page(article, footer), URL)
    assert found.licence is not None
    assert found.licence.id == id, found.findings
