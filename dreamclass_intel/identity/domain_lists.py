"""Domains that do not identify a company. Small on purpose: the hub guard catches what is not listed."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


FREEMAIL = _set(
    """
    gmail.com googlemail.com yahoo.com ymail.com rocketmail.com hotmail.com outlook.com live.com msn.com
    icloud.com me.com mac.com aol.com aim.com proton.me protonmail.com pm.me gmx.com gmx.de gmx.net gmx.at gmx.ch
    mail.com email.com web.de t-online.de freenet.de posteo.de mailbox.org zoho.com zohomail.com fastmail.com
    hey.com tutanota.com tuta.io yandex.com yandex.ru mail.ru inbox.ru bk.ru list.ru rambler.ru qq.com 163.com
    126.com sina.com naver.com daum.net hanmail.net yahoo.co.uk yahoo.gr yahoo.de yahoo.fr yahoo.es yahoo.it
    yahoo.ca yahoo.com.au yahoo.co.in yahoo.in yahoo.co.jp yahoo.com.br hotmail.co.uk hotmail.gr hotmail.de
    hotmail.fr hotmail.es hotmail.it hotmail.ca hotmail.com.au hotmail.nl outlook.com.gr outlook.de outlook.fr
    outlook.es outlook.ie outlook.com.au live.co.uk live.nl live.ca live.com.au live.fr live.ie windowslive.com
    otenet.gr forthnet.gr hol.gr wind.gr cyta.gr freemail.gr in.gr cytanet.com.cy
    primehome.com privaterelay.appleid.com btinternet.com btopenworld.com sky.com talktalk.net virginmedia.com
    ntlworld.com blueyonder.co.uk tiscali.co.uk eircom.net comcast.net verizon.net att.net sbcglobal.net
    bellsouth.net cox.net charter.net earthlink.net optonline.net shaw.ca rogers.com telus.net sympatico.ca
    bell.net videotron.ca bigpond.com bigpond.net.au optusnet.com.au iinet.net.au tpg.com.au telefonica.net
    terra.es ono.com wanadoo.es orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it tin.it virgilio.it
    ziggo.nl kpnmail.nl kpnplanet.nl planet.nl hetnet.nl xs4all.nl upcmail.nl home.nl casema.nl telenet.be
    skynet.be bluewin.ch seznam.cz wp.pl o2.pl onet.pl interia.pl uol.com.br bol.com.br rediffmail.com
    """
)

DISPOSABLE = _set(
    """
    mailinator.com guerrillamail.com guerrillamail.net sharklasers.com grr.la 10minutemail.com 10minutemail.net
    tempmail.com temp-mail.org temp-mail.io tempmail.net tempmailo.com throwawaymail.com trashmail.com trashmail.de
    yopmail.com yopmail.fr getnada.com nada.email dispostable.com maildrop.cc mailnesia.com mailcatch.com
    mintemail.com mohmal.com moakt.com fakeinbox.com fakemail.net emailondeck.com burnermail.io spam4.me
    spamgourmet.com mytemp.email tempail.com discard.email discardmail.com mailsac.com inboxkitten.com
    anonaddy.com simplelogin.com tempr.email trbvm.com wegwerfmail.de einrot.com cuvox.de armyspy.com
    """
)

# Platforms that many schools' pages live on and that the Public Suffix List does not split.
SHARED_HOSTS = _set(
    """
    weebly.com squarespace.com wordpress.com wix.com wixsite.com google.com facebook.com fb.com fb.me instagram.com
    linkedin.com twitter.com x.com youtube.com youtu.be tiktok.com pinterest.com linktr.ee bit.ly tumblr.com
    medium.com substack.com blogger.com blogspot.com github.io github.com jimdo.com jimdosite.com jimdofree.com
    strikingly.com webnode.com webnode.page webs.com site123.me godaddysites.com yolasite.com yola.com ucraft.net
    carrd.co notion.site canva.site webflow.io netlify.app vercel.app herokuapp.com myshopify.com bigcartel.com
    eventbrite.com meetup.com yelp.com tripadvisor.com wa.me whatsapp.com telegram.me t.me teachable.com
    thinkific.com podia.com kajabi.com edublogs.org ning.com business.site forms.gle mailchi.mp mystrikingly.com
    """
)

# Umbrellas of school networks: the host below names the school, the registrable domain does not.
SCHOOL_NETWORKS = _set("sch.gr cuny.edu suny.edu schools.nyc.gov ac-versailles.fr xtec.cat")
