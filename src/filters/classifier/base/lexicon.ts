// What fills the slots of families: names, towns, sums, dates, hosts. Everything is made up or as common as a first name.

import type { Language } from './families.ts'
import type { Random } from './random.ts'

const words = (text: string): readonly string[] => text.split(' ')

const firsts: Readonly<Record<Language, readonly string[]>> = {
  en: words(
    'James Mary Robert Linda Michael Susan David Karen Emily Daniel Olivia Thomas Grace Peter Hannah Simon Laura Kevin Megan Brian Alice George Nadia Priya Omar Wei Chloe Ethan Rachel Samuel Fiona Victor Ruth Oscar Holly Martin Joan Neil Carol Stephen',
  ),
  de: words(
    'Anna Lukas Julia Stefan Katrin Jürgen Sabine Tobias Heike Markus Lena Florian Petra Uwe Birgit Jonas Claudia Andreas Nina Matthias Elke Philipp Franziska Holger Miriam Sebastian Ulrike Jan Doris Benjamin Greta Thorsten Svenja Karl Ingrid Moritz Silke Ralf Tanja Günther',
  ),
  fr: words(
    'Camille Julien Sophie Nicolas Élodie Pierre Manon Antoine Claire Mathieu Léa Olivier Isabelle Hugo Céline Romain Aurélie Thierry Nathalie Guillaume',
  ),
  es: words(
    'Lucía Javier Carmen Alejandro Marta Diego Elena Pablo Isabel Sergio Raquel Manuel Cristina Álvaro Pilar Andrés Sonia Rubén Teresa Ignacio',
  ),
}
const lasts: Readonly<Record<Language, readonly string[]>> = {
  en: words(
    'Walker Hughes Bennett Foster Murray Patel Chapman Reid Coleman Harper Whitfield Osborne Pearson Doyle Larson Nguyen Okafor Singh Barker Lowe Griffin Stone Hayward Marsh Quinn Sutton Tanner Vaughn Yates Ellison',
  ),
  de: words(
    'Schneider Hoffmann Krüger Lehmann Vogel Winkler Brandt Seidel Haas Graf Dietrich Kuhn Pohl Engel Sauer Arnold Lorenz Bergmann Pfeiffer Busch Heinrich Jäger Kaiser Otto Schuster Ziegler Franke Albrecht Voigt Keller',
  ),
  fr: words(
    'Martin Bernard Dubois Moreau Laurent Girard Roux Fontaine Chevalier Gauthier Perrin Lambert Faure Mercier Blanchard Renaud Marchand Dumas Leclerc Picard',
  ),
  es: words(
    'García Fernández López Sánchez Romero Navarro Torres Ramírez Gil Serrano Molina Ortega Delgado Castro Rubio Vega Iglesias Medina Cortés Prieto',
  ),
}
const cities: Readonly<Record<Language, readonly string[]>> = {
  en: words(
    'Bristol Leeds Boston Denver Portland Cardiff Dublin Toronto Austin Norwich Seattle Glasgow Brighton Chicago Melbourne Oxford',
  ),
  de: words(
    'Kassel Bremen Leipzig Freiburg Münster Graz Bern Rostock Augsburg Köln Dresden Potsdam Ulm Erfurt Salzburg Göttingen',
  ),
  fr: words('Lyon Nantes Lille Rennes Grenoble Bordeaux Toulouse Dijon Strasbourg Tours'),
  es: words('Sevilla Valencia Bilbao Zaragoza Málaga Granada Murcia Oviedo Salamanca Vigo'),
}
const streets: Readonly<Record<Language, readonly string[]>> = {
  en: ['Mill Lane', 'High Street', 'Station Road', 'Church Street', 'Park Avenue', 'Elm Drive', 'Queens Road'],
  de: ['Lindenstraße', 'Am Mühlbach', 'Bahnhofstraße', 'Gartenweg', 'Hauptstraße', 'Kirchplatz', 'Rosenweg'],
  fr: ['rue des Lilas', 'avenue de la Gare', 'rue Victor Hugo', 'place du Marché', 'rue du Moulin'],
  es: ['calle Mayor', 'avenida de la Paz', 'calle del Sol', 'plaza Nueva', 'calle Real'],
}
const months: Readonly<Record<Language, readonly string[]>> = {
  en: words('January February March April May June July August September October November December'),
  de: words('Januar Februar März April Mai Juni Juli August September Oktober November Dezember'),
  fr: words('janvier février mars avril mai juin juillet août septembre octobre novembre décembre'),
  es: words('enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre'),
}
const weekdays: Readonly<Record<Language, readonly string[]>> = {
  en: words('Monday Tuesday Wednesday Thursday Friday Saturday Sunday'),
  de: words('Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag'),
  fr: words('lundi mardi mercredi jeudi vendredi samedi dimanche'),
  es: words('lunes martes miércoles jueves viernes sábado domingo'),
}
const goods: Readonly<Record<Language, readonly string[]>> = {
  en: [
    'wool blanket',
    'espresso machine',
    'desk lamp',
    'hiking boots',
    'USB-C cable',
    'garden hose',
    'office chair',
    'rain jacket',
    'cast iron pan',
    'bike light',
    'notebook set',
    'wireless mouse',
    'yoga mat',
    'water filter',
    'picture frame',
    'running shoes',
    'kettle',
    'backpack',
  ],
  de: [
    'Wolldecke',
    'Espressomaschine',
    'Schreibtischlampe',
    'Wanderschuhe',
    'USB-C-Kabel',
    'Gartenschlauch',
    'Bürostuhl',
    'Regenjacke',
    'Gusspfanne',
    'Fahrradlicht',
    'Notizbuch',
    'Funkmaus',
    'Yogamatte',
    'Wasserfilter',
    'Bilderrahmen',
    'Laufschuhe',
    'Wasserkocher',
    'Rucksack',
  ],
  fr: [
    'couverture en laine',
    'machine à café',
    'lampe de bureau',
    'chaussures de marche',
    'câble USB-C',
    'chaise de bureau',
    'veste imperméable',
    'poêle en fonte',
    'sac à dos',
    'bouilloire',
  ],
  es: [
    'manta de lana',
    'cafetera',
    'lámpara de escritorio',
    'botas de montaña',
    'cable USB-C',
    'silla de oficina',
    'chaqueta impermeable',
    'sartén de hierro',
    'mochila',
    'hervidor',
  ],
}
const companyA = words(
  'North Blue Harbor Stone Green Silver Linden Alpen Wald Nova Terra Orion Cedar Falken Brook Haus Prisma Atlas Delta Kern Vista Luma Ever Bright Ost West Mar Sol Fein Holz',
)
const companyB = words(
  'works line field soft bridge mark verlag technik logistics market studio media handel systems energie garten press lab data reisen store foods motion hof partner textil craft digital medical optik',
)
const syllables = words('ba de ki lo mu na pe ra so ti vu xa ze qui pro max top net web sec log on al er ix um za')

const goodZones: Readonly<Record<Language, readonly string[]>> = {
  en: words('com com com org net co.uk io ca eu us com.au ie shop online app'),
  de: words('de de de com eu at ch org net shop online'),
  fr: words('fr fr fr com org eu be'),
  es: words('es es es com org eu com.mx'),
}
const badZones = words(
  'com com com net top xyz click shop online site icu cfd ru info store live club buzz sbs work pro cn tk monster rest eu org',
)
const freeMails: Readonly<Record<Language, readonly string[]>> = {
  en: words('gmail.com gmail.com gmail.com outlook.com hotmail.com yahoo.com icloud.com proton.me'),
  de: words('gmx.de web.de gmail.com t-online.de gmail.com posteo.de outlook.com freenet.de'),
  fr: words('orange.fr gmail.com laposte.net free.fr gmail.com outlook.com'),
  es: words('gmail.com gmail.com hotmail.com outlook.com yahoo.com'),
}
const freePages = words(
  'weebly.com wixsite.com webflow.io netlify.app vercel.app pages.dev web.app firebaseapp.com blogspot.com workers.dev godaddysites.com github.io r2.dev square.site',
)
const short = words('bit.ly tinyurl.com t.co is.gd cutt.ly rb.gy t.ly shorturl.at')

export interface Person {
  readonly first: string
  readonly last: string
  readonly full: string
}

export interface Lexicon {
  readonly language: Language
  person(): Person
  city(): string
  street(): string
  month(): string
  weekday(): string
  goods(): string
  company(): string
  digits(count: number): string
  code(): string
  /** A decent domain of that company. */
  domainOf(company: string): string
  throwaway(): string
  freeMail(): string
  freePage(): string
  shortened(): string
  hex(count: number): string
  local(person: Person): string
  money(low: number, high: number): string
}

export function createLexicon(language: Language, random: Random): Lexicon {
  const { pick, below, chance } = random
  const text = (alphabet: string, count: number) => {
    let out = ''
    for (let i = 0; i < count; i++) out += alphabet[below(alphabet.length)]
    return out
  }
  const hex = (count: number) => text('0123456789abcdef', count)
  const digits = (count: number) => `${1 + below(9)}${text('0123456789', count - 1)}`
  const nonsense = () => Array.from({ length: 2 + below(3) }, () => pick(syllables)).join('')
  return {
    language,
    person() {
      const [first, last] = [pick(firsts[language]), pick(lasts[language])]
      return { first, last, full: `${first} ${last}` }
    },
    city: () => pick(cities[language]),
    street: () => `${pick(streets[language])} ${1 + below(120)}`,
    month: () => pick(months[language]),
    weekday: () => pick(weekdays[language]),
    goods: () => pick(goods[language]),
    company: () => `${pick(companyA)}${chance(0.5) ? '' : ' '}${pick(companyB)}`,
    digits,
    code: () => `${text('ABCDEFGHKLMNPRSTUVWXYZ', 2)}${digits(6 + below(5))}`,
    domainOf: (company) =>
      `${company.toLowerCase().replaceAll(' ', chance(0.4) ? '-' : '')}.${pick(goodZones[language])}`,
    throwaway() {
      const made = random()
      const name =
        made < 0.35
          ? nonsense()
          : made < 0.55
            ? `${nonsense()}${below(1000)}`
            : made < 0.7
              ? `${nonsense()}-${nonsense()}`
              : `${pick(companyA)}${pick(companyB)}`.toLowerCase()
      return `${chance(0.2) ? `${pick(words('mail info news m click secure'))}.` : ''}${name}.${pick(badZones)}`
    },
    freeMail: () => pick(freeMails[language]),
    freePage: () => `${nonsense()}${chance(0.5) ? `-${hex(4)}` : ''}.${pick(freePages)}`,
    shortened: () => `${pick(short)}/${text('abcdefghkmnpqrstuvwxyzABCDEFGHKMNPQRSTUVWXYZ23456789', 7)}`,
    hex,
    local(person) {
      const [first, last] = [toAscii(person.first), toAscii(person.last)]
      return pick([
        `${first}.${last}`,
        `${first[0]}.${last}`,
        `${first}${last}`,
        first,
        `${first}_${last}`,
        `${first}.${last}${below(90)}`,
        `${last}${1950 + below(60)}`,
      ])
    },
    money(low, high) {
      const value = low + random() * (high - low)
      const whole = value >= 1_000 && chance(0.6)
      const [int, cents] = [Math.floor(value), whole ? '' : text('0123456789', 2)]
      if (language === 'en') return `${pick(['$', '$', '£', '€'])}${group(int, ',')}${cents && `.${cents}`}`
      return `${group(int, language === 'fr' ? ' ' : '.')}${cents && `,${cents}`} ${pick(['€', '€', 'EUR'])}`
    },
  }
}

function group(value: number, by: string): string {
  const text = `${value}`
  let out = ''
  for (let i = 0; i < text.length; i++) out += (i > 0 && (text.length - i) % 3 === 0 ? by : '') + text[i]
  return out
}

const german: Readonly<Record<string, string>> = { ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' }

export function toAscii(text: string): string {
  let out = ''
  for (const char of text.toLowerCase()) out += german[char] ?? char.normalize('NFD')[0]!
  return out.replace(/[^a-z0-9]/g, '')
}
