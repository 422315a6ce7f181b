"""ISO 3166-1 alpha-2 codes, and the English names that the sources write."""

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
ALPHA2 = frozenset(_CODES.split())

_PAIRS = """
united states=US|united states of america=US|usa=US|united kingdom=GB|great britain=GB|england=GB|scotland=GB
wales=GB|northern ireland=GB|uk=GB|ireland=IE|republic of ireland=IE|canada=CA|australia=AU|new zealand=NZ
greece=GR|hellas=GR|el=GR|cyprus=CY|germany=DE|deutschland=DE|austria=AT|switzerland=CH|france=FR|spain=ES|espana=ES
portugal=PT|italy=IT|italia=IT|netherlands=NL|the netherlands=NL|holland=NL|belgium=BE|luxembourg=LU|denmark=DK
sweden=SE|norway=NO|finland=FI|iceland=IS|poland=PL|czechia=CZ|czech republic=CZ|slovakia=SK|hungary=HU|romania=RO
bulgaria=BG|slovenia=SI|croatia=HR|serbia=RS|bosnia and herzegovina=BA|montenegro=ME|north macedonia=MK|albania=AL
estonia=EE|latvia=LV|lithuania=LT|malta=MT|turkey=TR|turkiye=TR|ukraine=UA|russia=RU|russian federation=RU
georgia=GE|armenia=AM|israel=IL|lebanon=LB|jordan=JO|saudi arabia=SA|united arab emirates=AE|uae=AE|qatar=QA
kuwait=KW|bahrain=BH|oman=OM|egypt=EG|morocco=MA|tunisia=TN|algeria=DZ|nigeria=NG|ghana=GH|kenya=KE|uganda=UG
tanzania=TZ|south africa=ZA|india=IN|pakistan=PK|bangladesh=BD|sri lanka=LK|nepal=NP|china=CN|hong kong=HK|taiwan=TW
japan=JP|south korea=KR|korea republic of=KR|singapore=SG|malaysia=MY|indonesia=ID|philippines=PH|thailand=TH
vietnam=VN|viet nam=VN|mexico=MX|brazil=BR|brasil=BR|argentina=AR|chile=CL|colombia=CO|peru=PE|ecuador=EC|uruguay=UY
costa rica=CR|panama=PA|dominican republic=DO|jamaica=JM|puerto rico=PR|trinidad and tobago=TT
"""
NAMES: dict[str, str] = {
    pair.split("=")[0]: pair.split("=")[1] for pair in _PAIRS.replace("\n", "|").split("|") if pair
}
