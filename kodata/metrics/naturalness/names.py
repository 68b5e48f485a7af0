"""Names and technical terms that Korean texts write in lower-case Latin letters. They are not
counted as foreign words.

Names that are also everyday English words (apple, word, spring, teams) are not listed. In lower
case, they are mostly used as everyday words."""

_LANGUAGES = """
ansi awk bash csharp css cuda dart elixir erlang fortran golang groovy haskell html java
javascript json julia kotlin latex lisp lua markdown matlab octave pascal perl php postscript
prolog python regex rst ruby rust scala scheme solidity sql svg swift toml typescript verilog
xhtml xml yaml
"""
# Keywords and built-in functions of programming languages.
_KEYWORDS = """
bool char const def elif else enum false float for func int lambda len null print printf self str
struct true tuple var void while
"""
_TOOLS = """
ajax airflow anaconda android angular ansible apache arduino axolotl azure blender bootstrap
cassandra chrome chromium conda cron debian django docker eclipse elasticsearch emacs excel fedora
figma firefox flask flutter fastapi git github gitlab gradle grafana hadoop helm huggingface
intellij ios jenkins jira jquery jupyter kafka keras kubernetes langchain laravel linux lora macos
mariadb maven mongodb mysql nginx node notion npm numpy nvidia ollama opencv oracle outlook pandas
photoshop pip postgres postgresql powerpoint pytest pytorch qlora raspberry react redis safari
scikit scipy selenium sklearn slack sqlite sudo svelte tensorflow terraform ubuntu uvicorn vim
vllm vue webpack wordpress xcode yarn
"""
_SERVICES = """
airbnb amazon bard bert chatgpt claude copilot coupang discord deepseek duolingo ebay facebook
gemini gmail google gpt hotmail instagram kakao kakaotalk llama linkedin microsoft mistral naver
netflix openai paypal pinterest qwen reddit samsung skype snapchat spotify telegram tesla tiktok
tumblr twitch twitter uber whatsapp wikipedia yahoo yelp youtube zoom
"""
_TERMS = """
api apk app ascii avi blog bios cpu dos email ens etf exe faq gif gis gpu gui hdmi http https imax
imdb iot iptv jpeg jpg lan led mac mail mpeg nas nfc oled ost ova pdf pos psu qr ram rom rss sim
sns ssd ssh ucc ufo unicode url usb utf vod vpn web webp wifi wiki zip
"""
_BROADCASTERS = "abc bbc cbs cnn ebs espn hbo kbs mbc nbc nhk obs ocn sbs tbs tvn"
NAMES = frozenset(f"{_LANGUAGES} {_KEYWORDS} {_TOOLS} {_SERVICES} {_TERMS} {_BROADCASTERS}".split())
