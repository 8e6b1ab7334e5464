"""What a page says of its licence: by form, by place, by what it is said of."""

from __future__ import annotations

import pytest

from yisang.sources.rights.licences import Finding, PageLicence, page_licence

URL = "https://blog.example.org/2024/post"
BY = "https://creativecommons.org/licenses/by/4.0/"
NC = "https://creativecommons.org/licenses/by-nc/4.0/"
WORDS = "Bees dance to tell each other where flowers grow, and the dance has a grammar of its own. " * 3


def page(body: str = "", head: str = "", title: str = "Bees", footer: str = "") -> str:
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title>{head}</head><body><nav><a href='/'>Home</a></nav>"
        f"<article><h1>{title}</h1><p>{WORDS}</p>{body}</article><footer><p><a href='/about'>About</a></p>{footer}</footer></body></html>"
    )


def read(html: str, url: str = URL, **headers: str) -> PageLicence:
    return page_licence(html, url, headers)


def id_of(found: PageLicence) -> str:
    return found.licence.id if found.licence else ""


def only(found: PageLicence) -> Finding:
    assert len(found.findings) == 1, found.findings
    return found.findings[0]


# Addresses


@pytest.mark.parametrize(
    ("address", "id"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://www.creativecommons.org/licenses/by-sa/3.0", "CC-BY-SA-3.0"),
        ("//creativecommons.org/licenses/by-nc/2.5/", "CC-BY-NC-2.5"),
        ("https://creativecommons.org/licenses/by-sa/2.0/kr/deed.ko", "CC-BY-SA-2.0-KR"),
        ("https://creativecommons.org/licenses/by-nc-nd/2.0/kr/", "CC-BY-NC-ND-2.0-KR"),
        ("https://creativecommons.org/licenses/by/2.1/jp/legalcode", "CC-BY-2.1-JP"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/deed.fr", "CC-BY-NC-SA-4.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/legalcode.zh-Hans", "CC-BY-NC-SA-4.0"),
        ("https://creativecommons.org/licenses/by/3.0/igo/", "CC-BY-3.0-IGO"),
        ("https://creativecommons.org/licenses/by-nd-nc/1.0/", "CC-BY-NC-ND-1.0"),
        ("https://creativecommons.org/licenses/by/4.0/?ref=chooser-v1#x", "CC-BY-4.0"),
        ("HTTPS://CreativeCommons.org/Licenses/BY-SA/4.0/Deed.en", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/licenses/by-sa/", "CC-BY-SA"),
        ("https://creativecommons.org/licenses/by/7.0/", "CC-BY"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.ja", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        ("https://creativecommons.org/licenses/sampling+/1.0/", "unknown"),
        ("https://web.archive.org/web/20160820205919/http://creativecommons.org/licenses/by-sa/3.0/de/", "CC-BY-SA-3.0-DE"),
        ("http://www.apache.org/licenses/LICENSE-2.0.html", "Apache-2.0"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("https://www.gnu.org/licenses/fdl-1.3.html", "GFDL-1.3"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        ("https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "OGL-UK-3.0"),
        ("https://spdx.org/licenses/CC-BY-4.0.html", "CC-BY-4.0"),
        ("/terms", "unknown"),
    ],
)  # fmt: skip
def test_a_licence_is_known_by_every_form_of_its_address(address, id):
    found = read(page(head=f'<link rel="license" href="{address}">'))
    assert (id_of(found), found.agreement) == (id, "one")
    finding = only(found)
    assert (finding.place, finding.region, finding.scope, finding.evidence) == (
        "link rel=license",
        "head",
        "page",
        address,
    )


@pytest.mark.parametrize(
    "address", ["https://creativecommons.org/", "https://creativecommons.org/about/", "https://evil.example/creativecommons.org/licenses/by/4.0/", "https://creativecommons.org.evil.example/licenses/by/4.0/"]
)  # fmt: skip
def test_an_address_that_only_looks_like_a_licence_is_none(address):
    assert id_of(read(page(footer=f'<a href="{address}">Creative Commons</a>'))) == ""


# Letters


@pytest.mark.parametrize(
    ("path", "letter", "derive", "share_alike"),
    [
        ("by/4.0", "A", True, False),
        ("by-sa/4.0", "A", True, True),
        ("by-nc/4.0", "B", True, False),
        ("by-nc-sa/3.0/fr", "B", True, True),
        ("by-nd/2.0", "B", False, False),
        ("by-nc-nd/7.7", "B", False, False),
        ("sampling/1.0", "C", True, False),
        ("nc-sa/1.0", "C", True, False),
    ],
)
def test_letter_and_flags_follow_from_the_terms(path, letter, derive, share_alike):
    licence = read(page(head=f'<link rel="license" href="https://creativecommons.org/licenses/{path}/">')).licence
    assert (licence.letter, licence.derive, licence.share_alike) == (letter, derive, share_alike)


# Places


PLACES = {
    "http link": (page(), {"link": f'<{BY}>; rel="license", </style.css>; rel=preload'}),
    "link rel=license": (page(head=f'<link href="{BY}" rel="license">'), {}),
    "json-ld license": (page(head=f'<script type="application/ld+json">{{"@type": "BlogPosting", "license": "{BY}"}}</script>'), {}),
    "rdfa": (page(f'<p xmlns:cc="http://creativecommons.org/ns#"><a property="cc:license" href="{BY}">free</a></p>'), {}),
    "microdata": (page(f'<div itemscope itemtype="https://schema.org/Article"><link itemprop="license" href="{BY}"></div>'), {}),
    "meta": (page(head=f'<meta name="DCTERMS.license" content="{BY}">'), {}),
    "a rel=license": (page(f'<p><a rel="noopener license" href="{BY}">free</a></p>'), {}),
    "badge": (page('<p><img src="https://i.creativecommons.org/l/by/4.0/88x31.png"></p>'), {}),
    "link": (page(f'<p>This post is licensed under <a href="{BY}">that licence</a>.</p>'), {}),
    "text": (page("<p>This post is licensed under CC BY 4.0.</p>"), {}),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_statement_is_found_in_each_place(place):
    html, headers = PLACES[place]
    found = read(html, **headers)
    assert (id_of(found), only(found).place, found.agreement) == ("CC-BY-4.0", place, "one")
    assert found.licence.letter == "A"
    assert place in found.licence.evidence


@pytest.mark.parametrize(
    "meta",
    [
        f'<meta name="dc.rights" content="{BY}">',
        f'<meta property="cc:license" content="{BY}">',
        f'<meta property="http://purl.org/dc/terms/license" content="{BY}">',
        '<meta name="copyright" content="CC BY 4.0, the beekeepers">',
        '<meta name="rights" content="Creative Commons Attribution 4.0 International">',
    ],
)
def test_meta_is_read_under_all_its_names(meta):
    assert id_of(read(page(head=meta))) == "CC-BY-4.0"


@pytest.mark.parametrize(
    "meta",
    ['<meta name="copyright" content="2024 The Beekeepers">', '<meta name="dc.rights.rightsholder" content="CC BY 4.0">', '<meta name="description" content="licensed under CC BY 4.0">'],
)  # fmt: skip
def test_a_name_and_a_year_are_no_licence(meta):
    assert read(page(head=meta)).findings == ()


def test_a_finding_keeps_what_stands_around_it():
    html = page(
        f'<p>{"before " * 60}This post is licensed under <a rel="license" href="{BY}">CC BY 4.0</a>. {"behind " * 60}</p>'
    )
    context = only(read(html)).context
    assert 140 <= len(context) <= 150
    assert "licensed under CC BY 4.0. behind" in context
    assert context.startswith(("before", "efore", "fore", "ore", "re", "e"))


def test_the_region_of_a_statement_is_told():
    def region(html: str) -> str:
        return only(read(html)).region

    link = f'<a rel="license" href="{BY}">CC BY</a>'
    assert region(page(link)) == "article"
    assert region(page(footer=link)) == "footer"
    assert region(page(f'<div class="entry-footer">{link}</div>')) == "article"
    assert region(f"<body><div id='main'>{WORDS}</div><div class='site-footer'>{link}</div></body>") == "footer"
    assert region(f"<body><div>{WORDS}</div><aside>{link}</aside></body>") == "aside"
    assert region(f"<body><div>{WORDS}</div><div role='contentinfo'>{link}</div></body>") == "footer"


# JSON-LD


def json_ld(text: str) -> PageLicence:
    """Of a page with this script, in which "BY" and "NC" stand for the licences' addresses."""
    text = text.replace('"BY"', f'"{BY}"').replace('"NC"', f'"{NC}"')
    return read(page(head=f'<script type="application/ld+json">{text}</script>'))


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"@context":"https://schema.org","@graph":[{"@type":"Organization","name":"x"},{"@type":"Article","license":"BY"}]}', "CC-BY-4.0"),
        ('[{"@type":"BreadcrumbList"},{"@type":"WebPage","license":{"@type":"CreativeWork","url":"BY"}}]', "CC-BY-4.0"),
        ('{"@type":"WebPage","mainEntity":{"@type":"LearningResource","license":["BY"]}}', "CC-BY-4.0"),
        ('{"@type":"Article","isPartOf":{"@type":"WebSite","url":"https://blog.example.org/","license":"BY"}}', "CC-BY-4.0"),
        ('{"@type":["Article","ScholarlyArticle"],"schema:license":{"@id":"BY"}}', "CC-BY-4.0"),
        ('{"@type":"Article","@id":"https://blog.example.org/2024/post#article","license":"BY"}', "CC-BY-4.0"),
        ('<!-- {"@type":"Article","license":"BY"} -->', "CC-BY-4.0"),
        ('{"@type":"Article","license":{"@type":"CreativeWork","name":"CC BY 4.0"}}', "CC-BY-4.0"),
        ('{"@type":"Article","license":"https://blog.example.org/terms"}', "unknown"),
        ('{"@type":"Article","copyrightNotice":"All rights reserved"}', "all-rights-reserved"),
        # Of an image, of another page, of what is cited.
        ('{"@type":"ImageObject","license":"BY"}', ""),
        ('{"@graph":[{"@type":"Article","image":{"@type":"ImageObject","license":"BY"}}]}', ""),
        ('{"@type":"Article","primaryImageOfPage":{"license":"BY"}}', ""),
        ('{"@type":"Article","url":"https://blog.example.org/2023/other","license":"BY"}', ""),
        ('{"@type":"Article","citation":{"@type":"Article","license":"BY"}}', ""),
        ('{"@type":"SoftwareSourceCode","license":"https://opensource.org/licenses/MIT"}', ""),
        ('{"@type":"Article","acquireLicensePage":"BY"}', ""),
    ],
)  # fmt: skip
def test_json_ld_speaks_of_the_page_by_the_node_that_is_the_page(text, id):
    assert id_of(json_ld(text)) == id


def test_the_page_and_its_image_may_have_two_licences():
    found = json_ld('{"@graph":[{"@type":"Article","license":"BY","image":{"@type":"ImageObject","license":"NC"}}]}')
    assert (id_of(found), found.agreement) == ("CC-BY-4.0", "one")
    assert [(finding.id, finding.scope) for finding in found.findings] == [
        ("CC-BY-4.0", "page"),
        ("CC-BY-NC-4.0", "part"),
    ]


def test_a_context_is_read_as_text_and_never_fetched(monkeypatch):
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    found = json_ld('{"@context":"http://192.0.2.1/context.jsonld","@type":"Article","license":"BY"}')
    assert id_of(found) == "CC-BY-4.0"
    entity = f'<!DOCTYPE html [<!ENTITY x SYSTEM "http://192.0.2.1/x">]><html profile="http://192.0.2.1/p"><body>&x;{page()}</body></html>'
    assert id_of(read(entity)) == ""


def test_json_ld_that_cannot_be_read_is_told_and_the_rest_is_read():
    found = read(
        page(f'<a rel="license" href="{BY}">CC BY</a>', head='<script type="application/ld+json">{"license": </script>')
    )
    assert id_of(found) == "CC-BY-4.0"
    assert found.fault == "a JSON-LD script could not be read: JSONDecodeError"


# What a statement is of


PARTS = {
    "image in a figure": f'<figure><img src="bee.jpg"><figcaption>A bee, <a rel="license" href="{BY}">CC BY 4.0</a></figcaption></figure>',
    "caption of a blog": f'<div class="wp-caption"><img src="bee.jpg"><p>A bee <a rel="license" href="{BY}">CC BY</a></p></div>',
    "credit": f'<p>Photo by Ann Bee, <a rel="license" href="{BY}">CC BY 4.0</a></p>',
    "credit in German": f'<p>Bildnachweis: <a href="{BY}">CC BY 4.0</a></p>',
    "credit in Korean": f'<p>사진: 홍길동, <a rel="license" href="{BY}">CC BY 4.0</a></p>',
    "microdata of an image": f'<div itemscope itemtype="https://schema.org/ImageObject"><img src="b.jpg"><a itemprop="license" href="{BY}">CC</a></div>',
    "RDFa about an image": f'<div about="/bee.jpg"><a rel="license" href="{BY}">CC BY 4.0</a></div>',
    "RDFa about another page": f'<p about="https://other.example/x"><a rel="cc:license" href="{BY}">CC BY 4.0</a></p>',
    "RDFa resource around": f'<div resource="/bee.jpg"><a property="dct:license" href="{BY}">CC BY 4.0</a></div>',
    "Dublin Core still image": f'<p><span href="http://purl.org/dc/dcmitype/StillImage" rel="dct:type">Bee</span> is under <a rel="license" href="{BY}">CC BY</a></p>',
    "RDFa on the image": f'<img src="bee.jpg" rel="cc:license" resource="{BY}">',
    "comment of a reader": f'<div id="comments"><p>My text is under <a rel="license" href="{BY}">CC BY 4.0</a></p></div>',
    "comment of a reader, in a theme of its own": f'<ul class="comment_list_wrap"><li>Mine is <a rel="license" href="{BY}">CC BY 4.0</a></li></ul>',
    "quotation": "<blockquote><p>This work is licensed under CC BY 4.0.</p></blockquote>",
    "code": "<pre># This file is licensed under the Apache License, Version 2.0</pre>",
    "code samples": '<p>All code samples are licensed under the <a href="http://www.apache.org/licenses/LICENSE-2.0">Apache 2.0 License</a>.</p>',
    "theme": '<p>Theme licensed under the <a rel="license" href="https://opensource.org/licenses/MIT">MIT License</a></p>',
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_the_licence_of_a_part_is_not_the_pages(part):
    found = read(page(PARTS[part]))
    assert (id_of(found), found.agreement) == ("", "none")
    assert {finding.scope for finding in found.findings} == {"part"}
    assert all(finding.why for finding in found.findings)


def test_a_badge_in_a_figure_is_no_image():
    html = page(
        f'<figure class="wp-block-image"><a rel="license" href="{BY}"><img src="https://licensebuttons.net/l/by/4.0/88x31.png"></a></figure>'
    )
    assert id_of(read(html)) == "CC-BY-4.0"


@pytest.mark.parametrize(
    "about", ["", URL, "https://blog.example.org", "/2024/post", "http://www.blog.example.org/2024/post/"]
)
def test_rdfa_about_the_page_or_its_site_is_of_the_page(about):
    assert id_of(read(page(f'<div about="{about}"><a rel="license" href="{BY}">CC BY</a></div>'))) == "CC-BY-4.0"


def test_content_and_code_of_one_footer_are_told_apart():
    html = page(
        footer=f'<p>Except as otherwise noted, the content of this page is licensed under the <a href="{BY}">Creative Commons '
        'Attribution 4.0 License</a>, and code samples are licensed under the <a href="https://www.apache.org/licenses/LICENSE-2.0">'
        "Apache 2.0 License</a>.</p>"
    )
    found = read(html)
    assert (id_of(found), found.agreement) == ("CC-BY-4.0", "one")
    assert [finding.scope for finding in found.findings if finding.id == "Apache-2.0"] == ["part"]


@pytest.mark.parametrize(
    "body",
    [
        "<p>Licensed under CC BY 4.0.</p>",
        "<p>CC BY 4.0 라이선스로 배포됩니다.</p>",
        "<p>Text: CC BY 4.0</p>",
        "<p>라이선스: CC BY 4.0</p>",
        f'<p><a href="{BY}"><img src="/files/88x31.png" alt=""></a></p>',
        f'<p><a href="{BY}"><img src="/files/badge.png" alt="Creative Commons License"></a></p>',
        '<div class="ccl">CC BY 4.0</div>',
        f'<p><span rel="license" resource="{BY}">free</span></p>',
        f'<p>이 문서는 <a href="{BY}">CC BY 4.0</a>에 따라 사용할 수 있으며 추가 조건이 붙을 수 있습니다.</p>',
    ],
)  # fmt: skip
def test_a_statement_needs_no_sentence_where_its_form_says_it(body):
    assert id_of(read(page(body))) == "CC-BY-4.0"


MENTIONS = {
    "another's data": f'<p>The data set of 2019 was released under <a href="{BY}">CC BY 4.0</a> by its makers.</p>',
    "talk": "<p>Linux distributions often use the MIT License or the Apache License 2.0 for their tools.</p>",
    "talk of CC": "<p>In 2013 Creative Commons Attribution 4.0 was published after two years of work.</p>",
    "a bare link": f'<p>See <a href="{BY}">the deed</a> for how it reads.</p>',
}


@pytest.mark.parametrize("mention", MENTIONS)
def test_to_name_a_licence_is_not_to_give_it(mention):
    found = read(page(MENTIONS[mention]))
    assert id_of(found) == ""
    assert {finding.scope for finding in found.findings} <= {"mention", "part"}
    assert found.findings


def test_a_page_that_lists_licences_is_under_none_of_them():
    rows = "".join(
        f'<li><a rel="license" href="https://creativecommons.org/licenses/{kind}/4.0/">CC {kind}</a></li>'
        for kind in ("by", "by-sa", "by-nc", "by-nd")
    )
    found = read(page(f"<ul>{rows}</ul>"))
    assert (id_of(found), found.agreement) == ("", "none")
    assert {finding.scope for finding in found.findings} == {"about"}
    assert id_of(read(page(f"<ul>{rows}</ul>", footer=f'<a rel="license" href="{BY}">CC BY</a>'))) == "CC-BY-4.0"


def test_a_page_about_a_licence_is_not_under_it():
    deed = '<p>This work is licensed under the Creative Commons Attribution-ShareAlike 4.0 International Public License.</p><div class="license"><h2>CC BY-SA 4.0</h2></div>'
    assert id_of(read(page(deed, title="Attribution-ShareAlike 4.0 — CC BY-SA 4.0"))) == ""
    assert id_of(read(page(deed))) == "CC-BY-SA-4.0"


def test_comments_of_the_source_are_no_statement():
    html = "<!-- Licensed to the ASF under the Apache License, Version 2.0 -->" + page(
        f'<!-- <license rdf:resource="{BY}" /> -->'
    )
    assert read(html).findings == ()


# Words, in six languages and two more


@pytest.mark.parametrize(
    ("words", "id"),
    [
        ("This article is licensed under a Creative Commons Attribution-NonCommercial 4.0 International License.", "CC-BY-NC-4.0"),
        ("Unless otherwise noted, text on this site is available under CC BY-SA 3.0.", "CC-BY-SA-3.0"),
        ("이 글은 크리에이티브 커먼즈 저작자표시-비영리-변경금지 2.0 대한민국 라이선스에 따라 이용할 수 있습니다.", "CC-BY-NC-ND-2.0-KR"),
        ("이 저작물은 CC BY-SA 4.0 라이선스로 배포됩니다.", "CC-BY-SA-4.0"),
        ("별도로 명시하지 않는 한 이 위키의 모든 문서는 CC BY-NC-SA 2.0 KR에 따라 이용할 수 있습니다.", "CC-BY-NC-SA-2.0-KR"),
        ("この記事はクリエイティブ・コモンズ 表示 - 継承 4.0 国際 ライセンスの下に提供されています。", "CC-BY-SA-4.0"),
        ("本サイトのコンテンツは CC BY 4.0 に従って利用できます。", "CC-BY-4.0"),
        ("Cet article est mis à disposition selon les termes de la Licence Creative Commons Attribution - Pas d’Utilisation Commerciale 4.0 International.", "CC-BY-NC-4.0"),
        ("Sauf mention contraire, ce contenu est publié sous licence CC BY-SA 3.0 FR.", "CC-BY-SA-3.0-FR"),
        ("Dieser Beitrag steht unter der Lizenz Creative Commons Namensnennung - Keine Bearbeitungen 4.0 International.", "CC-BY-ND-4.0"),
        ("Die Inhalte dieser Seite sind, sofern nicht anders angegeben, lizenziert unter CC BY 3.0 DE.", "CC-BY-3.0-DE"),
        ("Este artículo está bajo una licencia Creative Commons Reconocimiento-CompartirIgual 4.0 Internacional.", "CC-BY-SA-4.0"),
        ("El contenido de esta web se publica bajo licencia CC BY-NC-SA 4.0.", "CC-BY-NC-SA-4.0"),
        ("This document is released under the GNU Free Documentation License 1.3.", "GFDL"),
        ("This work has been dedicated to the public domain under CC0 1.0.", "CC0-1.0"),
        ("本作品采用知识共享署名-相同方式共享 4.0 国际许可协议进行许可。", "CC-BY-SA-4.0"),
    ],
)  # fmt: skip
def test_a_statement_in_words_is_understood(words, id):
    found = read(page(f"<p>{words}</p>"))
    assert id_of(found).startswith(id), found.findings
    assert only(found).place == "text"


@pytest.mark.parametrize(
    "words",
    [
        "© 2024 The Beekeepers. All rights reserved.",
        "All Rights Reserved",
        "저작권자 ⓒ 꿀벌신문, 무단 전재 및 재배포 금지",
        "무단전재-재배포금지",
        "<저작권자(c) 꿀벌통신, 무단 전재-재배포, AI 학습 및 활용 금지>",
        "본 사이트의 콘텐츠는 저작권법의 보호를 받는 바, 무단 전재, 복사, 배포 등을 금합니다.",
        "無断転載を禁じます",
        "無断転載・複製を禁止します。",
        "記事の無断転載禁止",
        "Tous droits réservés © 2024",
        "© 2024 Imkerverein. Alle Rechte vorbehalten.",
        "Todos los derechos reservados",
    ],
)
def test_a_reservation_is_understood(words):
    found = read(page(footer=f"<p>{words.replace('<', '&lt;')}</p>"))
    assert (id_of(found), found.licence.letter, found.agreement) == ("all-rights-reserved", "C", "one")
    assert only(found).place == "notice"


@pytest.mark.parametrize(
    "words",
    [
        "No rights reserved.",
        "Some rights reserved.",
        "Copyright 2024 The Beekeepers",
        "저작권정책",
        "The phrase is old, and lawyers say that it means little today." * 5,
    ],
)
def test_what_is_no_reservation_is_none(words):
    assert read(page(footer=f"<p>{words}</p>")).findings == ()


# Several statements


def test_statements_that_say_the_same_agree():
    html = page(
        head=f'<link rel="license" href="{BY}">',
        footer=f'<p>Licensed under <a rel="license" href="{BY}">CC BY 4.0</a></p>',
    )
    found = read(html)
    assert (id_of(found), found.agreement, len(found.findings)) == ("CC-BY-4.0", "agree", 2)
    assert found.deciding.place == "link rel=license"


def test_a_statement_without_a_version_agrees_with_one_that_has_it():
    html = page(
        head='<meta name="dc.rights" content="CC BY-SA">',
        footer='<a rel="license" href="https://creativecommons.org/licenses/by-sa/3.0/">CC</a>',
    )
    found = read(html)
    assert (id_of(found), found.agreement) == ("CC-BY-SA-3.0", "agree")


@pytest.mark.parametrize(
    ("first", "second", "id"),
    [("by", "by-nc", "CC-BY-NC-4.0"), ("by-nc-nd", "by", "CC-BY-NC-ND-4.0"), ("by-nc", "by-nd", "CC-BY-ND-4.0"), ("by", "by-sa", "CC-BY-SA-4.0")],
)  # fmt: skip
def test_of_statements_that_disagree_the_strictest_holds(first, second, id):
    html = page(
        head=f'<link rel="license" href="https://creativecommons.org/licenses/{first}/4.0/">',
        footer=f'<a rel="license" href="https://creativecommons.org/licenses/{second}/4.0/">CC</a>',
    )
    found = read(html)
    assert (id_of(found), found.agreement) == (id, "disagree")
    assert "disagrees with" in found.licence.evidence


def test_flags_of_all_that_disagree_are_kept():
    html = page(
        head='<link rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">',
        footer='<a rel="license" href="https://creativecommons.org/licenses/by-nd/4.0/">CC</a>',
    )
    licence = read(html).licence
    assert (licence.id, licence.letter, licence.derive, licence.share_alike) == ("CC-BY-ND-4.0", "B", False, True)


def test_all_rights_reserved_beside_a_badge_leaves_nothing():
    found = read(
        page(
            footer=f'<a rel="license" href="{BY}"><img src="https://i.creativecommons.org/l/by/4.0/80x15.png"></a> © 2024 Bee. All rights reserved.'
        )
    )
    assert (id_of(found), found.licence.letter, found.agreement) == ("all-rights-reserved", "C", "disagree")


def test_terms_that_nobody_knows_outweigh_a_link_in_the_footer():
    found = read(page(head='<link rel="license" href="/terms">', footer=f'<a rel="license" href="{BY}">CC BY</a>'))
    assert (id_of(found), found.licence.letter, found.agreement) == ("unknown", "C", "disagree")


def test_a_second_link_that_is_no_licence_changes_nothing():
    found = read(
        page(
            footer=f'Licensed under <a rel="license" href="{BY}">cc by</a> with <a rel="license" href="/attribution">attribution required</a>'
        )
    )
    assert (id_of(found), found.agreement) == ("CC-BY-4.0", "one")
    assert [finding.scope for finding in found.findings] == ["page", "mention"]


def test_a_page_without_a_statement_has_none():
    found = read(page())
    assert (found.licence, found.findings, found.agreement, found.fault) == (None, (), "none", "")
    assert found.deciding is None


def test_the_report_has_letter_and_flags_of_every_finding():
    told = read(page(head=f'<link rel="license" href="{NC}">')).as_dict()
    assert told["licence"] == {"id": "CC-BY-NC-4.0", "letter": "B", "derive": True, "share_alike": False}
    assert told["findings"][0] | {"letter": "B", "place": "link rel=license"} == told["findings"][0]
