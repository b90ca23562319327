// What is seen of a message: tables of text → tokens.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokenize } from './tokenize.ts'

const message = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'))

/** Words of all tokens. */
function tokensOf(text: string, known: { sender?: string; results?: string } = {}): Set<string> {
  const bytes = message(text)
  return new Set(tokenize({ bytes, size: bytes.length, ...known }, true).names!.values())
}

function holds(text: string, wanted: readonly string[], unwanted: readonly string[] = [], known = {}): void {
  const tokens = tokensOf(text, known)
  for (const token of wanted) assert.ok(tokens.has(token), `${token} is missing: ${[...tokens].join(' | ')}`)
  for (const token of unwanted) assert.ok(!tokens.has(token), `${token} is there`)
}

test('words of the body: alone, with the next, and with the one after', () => {
  holds('Subject: x\n\nBuy CHEAP watches now', [
    'buy',
    'cheap',
    'watches',
    'buy cheap',
    'cheap watches',
    'buy … watches',
  ])
  holds('Subject: Free offer\n\nx', ['subject:free', 'subject:offer', 'subject:free subject:offer'], ['free'])
  holds('\nfür Größe naïve', ['für', 'größe', 'naïve'])
  holds("\ndon't stop", ["don't", "don't stop"])
})

test('numbers, sums and codes lose what is theirs alone', () => {
  holds('\n12345 and $4,500,000 or 20% of AB12345678', ['#5', 'money:7', 'shape:percent', 'word:code'], ['ab12345678'])
  holds('\nabcdefghijklmnopqrstuvwxyzabcdef', ['word:long'], ['abcdefghijklmnopqrstuvwxyzabcdef'])
})

test('words in disguise: what is done to them, and what a reader sees', () => {
  holds('\nbuy v1agra today', ['disguised:digits', 'viagra'])
  holds('\nplay h264 and covid19', [], ['disguised:digits'])
  holds('\nlog in to pаypаl', ['disguised:script', 'paypal'])
  holds('\nпривет мир', ['привет', 'мир'], ['disguised:script'])
  holds('\nvi\u200bagra for you', ['disguised:invisible'])
  holds('\nv i a g r a here', ['disguised:spelled', 'viagra'])
  holds('\nａｃｔ now', ['act'])
})

test('who wrote: what the name says of the address', () => {
  holds('From: PayPal Support <x@vuxo.top>\n\nx', ['from:name elsewhere', 'name:paypal', 'from:vuxo.top', 'from:.top'])
  holds('From: PayPal <service@paypal.com>\n\nx', ['from:name in domain', 'from:paypal.com'])
  holds('From: Jürgen Müller <j.mueller@gmx.de>\n\nx', ['from:name in address', 'from:free mail'])
  holds('From: "ann@bank.test" <z@evil.test>\n\nx', ['from:name is another address'])
  holds('From: a@b.test\nReply-To: q@gmail.com\n\nx', [
    'reply-to:differs',
    'reply-to:free mail for another',
    'from:no name',
  ])
  holds('From: a@news.shop.co.uk\n\nx', ['from:shop.co.uk'])
  holds('From: a@b.test\nSubject: Re: hi\n\nx', ['subject:reply to nothing'], ['subject:reply'])
  holds('From: a@b.test\nSubject: Re: hi\nReferences: <1@b.test>\n\nx', ['subject:reply'])
  holds('To: undisclosed-recipients:;\n\nx', ['to:nobody', 'header:no from', 'header:no date'])
})

test('what this server knows of the sender', () => {
  const results =
    'mx.test; spf=fail smtp.mailfrom=a@b.test; dkim=none; dkim=pass header.d=b.test; dmarc=pass header.from=b.test'
  holds('From: a@b.test\n\nx', ['spf:fail', 'dkim:pass', 'dmarc:pass', 'sender:same'], ['dkim:none'], {
    results,
    sender: 'x@b.test',
  })
  const chosen = 'mx.test; spf=fail smtp.mailfrom="a; dkim=pass"@b.test (dmarc=pass; dkim=pass); dkim=none'
  holds('From: a@b.test\n\nx', ['spf:fail', 'dkim:none'], ['dkim:pass', 'dmarc:pass'], { results: chosen })
  holds('From: a@b.test\n\nx', ['sender:null'], [], { sender: '' })
  // What a stranger wrote into the header is not asked.
  holds('Authentication-Results: mx.test; spf=pass\nFrom: a@b.test\n\nx', ['from:b.test'], ['spf:pass'])
})

test('links: hosts, and what they show', () => {
  const html = (body: string) => `From: a@shop.test\nContent-Type: text/html\n\n${body}`
  holds(html('<a href="https://evil.test/x">https://bank.test/login</a>'), [
    'link:text shows another host',
    'link:evil.test',
    'links:none of the sender',
    'links:1',
  ])
  holds(
    html('<a href="https://www.shop.test/x">shop.test</a>'),
    ['links:all of the sender'],
    ['link:text shows another host'],
  )
  holds(html('<A HREF=http://192.0.2.1:8080/a.exe>x</A>'), ['link:ip', 'link:port', 'link:to .exe', 'links:http'])
  holds(html('<a href="https://bit.ly/abc">x</a><a href="https://x-y.pages.dev/#a@b.test">y</a>'), [
    'link:shortener',
    'link:free host',
    'link:address within',
    'links:few',
  ])
  holds(html('<a href="https://paypal.com@evil.test/">x</a>'), ['link:user part', 'link:evil.test'])
  holds('From: a@b.test\n\nsee https://www.c.test/path?id=1 and www.d.test.', ['link:c.test', 'links:few'], ['path'])
  holds('\nno links', ['links:none'])
})

test('markup and attachments', () => {
  const html = (body: string) => `Content-Type: text/html\n\n${body}`
  holds(html('<form action="x"><input></form>'), ['html:form', 'html:input', 'text:html'])
  holds(html('<span style="display: none">x</span><b style="font-size:0px">y</b>'), ['html:not shown', 'html:tiny'])
  holds(html('<img src="cid:1"><img src="https://x.test/p" width="1" height="1">'), [
    'picture:attached',
    'picture:pixel',
    'pictures:few',
    'pictures:hardly text',
  ])
  const mixed = (part: string) => `Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n${part}\n\nx\n--b--\n`
  holds(mixed('Content-Type: application/octet-stream; name="invoice.pdf.exe"'), [
    'attachment:program',
    'attachment:two endings',
    'attachment:.exe',
  ])
  holds(mixed('Content-Type: text/html\nContent-Disposition: attachment; filename=a.htm'), [
    'attachment:page',
    'attachment:.htm',
  ])
  holds(mixed('Content-Type: text/calendar; name=invite.ics'), ['attachment:.ics'], ['attachment:program'])
})

test('encodings are undone before anything is read', () => {
  holds(
    `Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${Buffer.from('hidden Wörter').toString('base64')}`,
    ['hidden', 'wörter', 'text:base64', 'charset:utf-8'],
  )
  holds(
    'Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nsch=F6n sp=\nam',
    ['schön', 'spam'],
  )
  holds('Subject: =?utf-8?B?R2V3aW5u?=\n\nx', ['subject:gewinn'])
})

test('a wallet, a signature, quotes', () => {
  holds('\nsend to bc1q0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6', ['text:wallet'])
  holds('\nhello\n> you wrote\n-- \nann', ['text:quotes', 'text:signature'], ['text:wallet'])
})

test('facts that mean more beside each other', () => {
  holds('From: Geek Squad <q81@gmail.com>\n\ncall +1 (888) 555-1234 now', [
    'telephone',
    'from:free mail & telephone',
    'from:name elsewhere & links:none',
  ])
  holds('From: Ann <ann@b.test>\n\n1 + 12 (see 34)', [], ['telephone'])
})

test('tokens without names are the same as with them', () => {
  const bytes = message('From: A <a@b.test>\nSubject: x\n\nsome words and https://c.test/')
  const sample = { bytes, size: bytes.length }
  const [named, bare] = [tokenize(sample, true), tokenize(sample)]
  assert.deepEqual([named.singles, named.pairs], [bare.singles, bare.pairs])
  assert.equal(bare.names, undefined)
})
