"""The words of the fake's sentences. No two lists share an adjective, so no pair of words comes twice."""
# ruff: noqa: SIM905 - a split string is what people can read and add to

EN_OPENINGS = (
    "At dawn,|Before the storm,|After supper,|Long after midnight,|In early spring,|One winter evening,|"
    "On market day,|During the eclipse,|Under a low moon,|Between two tides,|By candlelight,|At low tide,|"
    "Late in October,|When the bells stopped,|With the fog rising,|Once the train left,|Near the equinox,|"
    "All summer long,|In the first frost,|Just past sunset,|As the ferry docked,|Every Thursday,|"
    "Since the flood,|Against all advice,|For seven nights,|Beyond the orchard,|Without a map,|"
    "While the city slept,|Halfway through June,|In perfect silence,|Despite the cold,|On the last page,|"
    "Around harvest time,|Over breakfast,|Through the long drought,|At the third knock,|Ahead of the parade,|"
    "Upon returning home,|In heavy rain,|Weeks before the wedding,"
).split("|")
EN_PERSON_ADJECTIVES = (
    "weary patient restless gentle stubborn curious solemn cheerful forgetful cautious clumsy proud lonely "
    "thoughtful sleepless fearless elderly young tireless generous humble nervous bewildered talkative shy "
    "determined homesick observant witty retired wandering devoted eccentric graceful grumpy hopeful modest "
    "polite practical reckless sincere silent skilful sleepy sober tender wise absent-minded careful famous"
).split()
EN_PERSONS = (
    "clockmaker gardener cartographer baker fisherman violinist librarian carpenter astronomer postman weaver "
    "beekeeper sailor tailor painter miller potter shepherd apothecary blacksmith glassblower bookbinder "
    "lighthouse-keeper ferryman teacher surgeon botanist conductor juggler acrobat innkeeper farmer poet "
    "watchman mason cobbler diver engineer chemist translator typesetter locksmith cook jeweller printer "
    "puppeteer falconer geologist organist sculptor mechanic pilot seamstress merchant courier archivist "
    "photographer nurse forester stonecutter piano-tuner swimmer collector widow grandmother apprentice "
    "traveller stranger neighbour captain dancer orphan duchess magician umbrella-maker bell-ringer"
).split()
EN_ADVERBS = (
    "quietly slowly carefully eagerly calmly secretly boldly gladly neatly swiftly softly firmly "
    "politely warily gracefully hastily proudly tenderly patiently silently"
).split()
EN_VERBS = (
    "polished carried mended painted buried borrowed unwrapped traded sketched hid weighed repaired collected "
    "discovered followed folded guarded balanced cleaned opened measured remembered studied lifted lowered "
    "delivered described dropped dusted engraved examined found gathered hung inherited kept lost mailed "
    "noticed packed photographed planted refused rescued returned sharpened sold sorted tied traced tuned "
    "unlocked unpacked untied wound counted dragged exchanged finished ignored"
).split()
EN_DETERMINERS = ("the", "a", "one", "another", "that")
EN_OBJECT_ADJECTIVES = (
    "copper brass broken wooden forgotten faded cracked velvet crooked ivory narrow hollow rusted silver "
    "scarlet emerald woollen tangled heavy unfinished folded-up mysterious dusty painted-over salted tiny "
    "enormous pale golden striped battered smooth warm frozen-stiff amber cedar leather paper porcelain "
    "stained half-empty bright spotted cobalt antique sealed unopened scorched linen marble"
).split()
EN_OBJECTS = (
    "lantern compass violin umbrella letter kettle mirror clock suitcase key telescope map teapot candle "
    "hourglass accordion ladder basket anchor ribbon postcard birdcage saddle chessboard diary music-box "
    "thimble globe trunk whistle bell glove photograph scarf notebook coin feather jar carpet bucket spoon "
    "trumpet kite wheelbarrow rocking-chair typewriter sundial barometer quilt pocket-watch harp drum locket "
    "medal parcel pearl plum seashell button hammer crate curtain flute fountain-pen lamp oar pitcher "
    "rowing-boat sail stamp tapestry vase wreath blanket cello chandelier doll easel"
).split()
EN_PREPOSITIONS = "beneath beside behind near above across inside outside past around under along beyond".split()
EN_PLACE_ADJECTIVES = (
    "abandoned quiet crowded moonlit windy snowbound flooded sunlit distant ancient empty muddy shuttered "
    "steep overgrown northern southern eastern western foggy ruined cobbled drowsy echoing floating "
    "forbidden fragrant grassy hidden icy leafy misty mossy nameless noisy peaceful remote rocky royal "
    "sandy shaded shimmering sleeping sloping smoky starlit stony stormy terraced vanished"
).split()
EN_PLACES = (
    "harbour orchard library market bridge lighthouse station cathedral courtyard garden river valley tower "
    "museum canal meadow forest theatre monastery square workshop attic cellar pier quarry village greenhouse "
    "railway castle fountain windmill lagoon cliff chapel bakery arcade boathouse cemetery crossroads dam "
    "embankment fairground ferry fortress gate glacier hillside inn island jetty lane marsh mill observatory "
    "palace park pavilion reservoir shore stable staircase tavern tunnel vineyard waterfall well"
).split()
EN_ENDINGS = (
    "| until dawn| before the first snow| without a word| while the kettle cooled| as rain crossed the rooftops|"
    " and told nobody| for the very last time| with trembling hands| in the falling dusk|"
    " after the music faded| despite the warning| as the lamps went out| before anyone woke|"
    " and smiled at the sea| with great ceremony| while gulls argued overhead| for a promised coin|"
    " under the watch of crows| to the sound of bells| in exchange for bread| and waited for spring"
).split("|")

RU_OPENINGS = (
    "На рассвете|Перед грозой|После ужина|Далеко за полночь|Ранней весной|Зимним вечером|В базарный день|"
    "Под низкой луной|При свете свечи|В конце октября|Когда стихли колокола,|Сквозь туман|После отлива|"
    "Всё лето подряд|В первый мороз|Сразу после заката|По четвергам|После наводнения|Вопреки советам|"
    "Семь ночей подряд|За старой рощей|Без всякой карты|Пока город спал,|В середине июня|В полной тишине|"
    "Несмотря на холод,|К сбору урожая|За завтраком|В долгую засуху|Накануне праздника|Вернувшись домой,|"
    "Под сильным дождём|За неделю до свадьбы|Однажды осенью|Ближе к вечеру|Глубокой ночью|Как всегда,|"
    "К удивлению соседей,|Вдали от дома|В разгар ярмарки"
).split("|")
RU_PERSON_ADJECTIVES = (
    "усталый терпеливый беспокойный добрый упрямый любопытный печальный весёлый рассеянный осторожный "
    "неловкий гордый одинокий задумчивый бессонный бесстрашный пожилой молодой неутомимый щедрый скромный "
    "взволнованный растерянный болтливый робкий решительный наблюдательный остроумный странствующий преданный "
    "чудаковатый изящный ворчливый вежливый практичный отчаянный искренний молчаливый умелый сонный мудрый"
).split()
RU_PERSONS = (
    "часовщик садовник картограф пекарь рыбак скрипач библиотекарь плотник астроном почтальон ткач пасечник "
    "моряк портной художник мельник гончар пастух аптекарь кузнец стеклодув переплётчик смотритель паромщик "
    "учитель хирург ботаник дирижёр жонглёр акробат трактирщик фермер поэт сторож каменщик сапожник водолаз "
    "инженер химик переводчик наборщик слесарь повар ювелир печатник кукольник сокольник геолог органист "
    "скульптор механик лётчик купец курьер архивариус фотограф лесник настройщик пловец коллекционер вдовец "
    "дедушка подмастерье путешественник незнакомец сосед капитан танцор волшебник звонарь"
).split()
RU_ADVERBS = (
    "тихо медленно бережно жадно спокойно тайком смело охотно аккуратно быстро мягко крепко вежливо "
    "украдкой торопливо гордо нежно терпеливо молча ловко"
).split()
RU_VERBS = (
    "полировал нёс чинил красил закапывал разворачивал рисовал прятал взвешивал осматривал собирал складывал "
    "охранял чистил открывал измерял вспоминал изучал поднимал опускал описывал протирал рассматривал находил "
    "вешал хранил терял упаковывал фотографировал спасал возвращал точил продавал сортировал связывал обводил "
    "настраивал отпирал распаковывал отвязывал заводил тащил обменивал доделывал искал покупал примерял"
).split()
RU_OBJECT_ADJECTIVES = (
    "медный латунный сломанный деревянный забытый выцветший треснувший бархатный кривой костяной узкий пустой "
    "ржавый серебряный алый изумрудный шерстяной запутанный тяжёлый незаконченный загадочный пыльный "
    "крошечный огромный бледный золотой полосатый потёртый гладкий тёплый янтарный кедровый кожаный бумажный "
    "фарфоровый яркий пятнистый синий старинный запечатанный обгоревший льняной мраморный дорогой"
).split()
RU_OBJECTS = (
    "фонарь компас зонт конверт чайник чемодан ключ телескоп подсвечник аккордеон якорь билет сундук глобус "
    "свисток колокол снимок шарф блокнот кувшин ковёр горшок барабан кулон портрет жемчуг молоток ящик "
    "занавес парус гобелен венок мольберт кинжал самовар рояль портфель сервиз перстень плащ патефон "
    "барометр дневник свёрток веер гребень ларец орех кубок замок пояс штурвал флакон шлем бинокль"
).split()
RU_PLACE_ADJECTIVES = (
    "заброшенном тихом людном лунном ветреном заснеженном затопленном солнечном далёком древнем безлюдном "
    "грязном запертом крутом заросшем северном южном восточном западном туманном разрушенном мощёном дремотном "
    "гулком запретном душистом травянистом скрытом ледяном лиственном мшистом безымянном шумном мирном "
    "скалистом королевском песчаном тенистом мерцающем спящем дымном звёздном каменистом высоком"
).split()
RU_PLACES = (
    "в порту|в саду|в музее|в лесу|в театре|в монастыре|в дворике|в подвале|в городе|в замке|в переулке|"
    "в соборе|в парке|в павильоне|в туннеле|в трактире|в винограднике|в вагоне|в архиве|в овраге|"
    "на рынке|на мосту|на маяке|на вокзале|на канале|на лугу|на чердаке|на причале|на карьере|на утёсе|"
    "на кладбище|на перекрёстке|на берегу|на острове|на холме|на леднике|на постоялом дворе|на болоте|"
    "на водопаде|на пляже|на балконе|на складе|на пароме|на заводе"
).split("|")
RU_ENDINGS = (
    "| до самого утра| перед первым снегом| без единого слова|, пока остывал чай| под шум дождя|"
    " в последний раз| дрожащими руками| в густых сумерках|, когда стихла музыка| вопреки предупреждению|"
    " и никому не сказал|, пока все спали| и улыбался морю| с большим достоинством| под крики чаек|"
    " за обещанную монету| под звон часов| в обмен на хлеб| и ждал весны"
).split("|")

DE_SUBJECTS = ("Der Gärtner|Der Fischer|Der Lehrer|Der Bäcker|Der Maler|Der Pförtner|Der Dichter|Der Kutscher").split(
    "|"
)
DE_VERBS = (
    "trägt findet versteckt verkauft zeichnet poliert vergisst bewacht repariert sucht öffnet zerbricht"
).split()
DE_OBJECTS = (
    "den alten Schlüssel|den roten Regenschirm|die kleine Laterne|das verlorene Buch|die silberne Uhr|"
    "den schweren Koffer|das gelbe Kleid|die zerbrochene Vase|den runden Spiegel|das leere Glas"
).split("|")
DE_ENDINGS = (
    "und geht langsam durch den Wald nach Hause|während draußen der erste Schnee fällt|"
    "weil niemand mehr daran glaubt|"
    "bevor die Sonne über dem Dorf aufgeht|obwohl es schon seit Stunden regnet|und wartet auf den letzten Zug|"
    "ohne ein einziges Wort zu sagen|damit die Kinder ruhig schlafen können"
).split("|")
UK_SUBJECTS = ("Старий садівник|Втомлений рибалка|Молодий вчитель|Щедрий пекар|Тихий художник|Мудрий поет").split("|")
UK_VERBS = "несе шукає ховає продає малює чистить забуває стереже лагодить знаходить відчиняє купує".split()
UK_OBJECTS = (
    "старовинний ключ|червону парасольку|маленький ліхтар|загублену книжку|срібний годинник|важку валізу|"
    "жовту сукню|розбиту вазу|кругле дзеркало|порожню склянку"
).split("|")
UK_ENDINGS = (
    "і повільно йде лісом додому|поки надворі падає перший сніг|бо ніхто вже в це не вірить|"
    "перш ніж зійде сонце над селом|хоча дощ іде вже кілька годин|і чекає на останній потяг|"
    "не кажучи жодного слова|щоб діти могли спокійно спати"
).split("|")
