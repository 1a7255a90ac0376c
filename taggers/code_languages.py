"""Programming, markup and data languages: by what endings and names their files are known, and how they comment.

Names are those of GitHub's Linguist. Where an ending is used by several languages, the one that most files are in.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass(frozen=True)
class Syntax:
    """Where comments are, and the strings in which they are not. All markers are ASCII."""

    line: tuple[str, ...] = ()  # from here to the end of the line
    block: tuple[tuple[str, str], ...] = ()  # from one to the next of the other; tried before `line`
    quotes: str = ""  # strings that end with their line at the latest
    long_quotes: str = ""  # strings over several lines
    triple: bool = False  # strings in three of the quotes, as Python's
    docstrings: bool = False  # where a line begins with such a string, it is documentation
    spaced: bool = False  # `line` counts at the beginning of a line and after whitespace only
    pod: str = ""  # documentation that begins with "=" and a letter at a line's beginning, and the line that ends it


NONE = Syntax()  # nothing is a comment
C = Syntax(("//",), (("/*", "*/"),), "\"'")
C_RAW = Syntax(("//",), (("/*", "*/"),), "\"'", "`")
C_NO_CHARS = Syntax(("//",), (("/*", "*/"),), '"')  # a lone ' is a lifetime, a label or a generic
CSS = Syntax((), (("/*", "*/"),), "\"'")
HASH = Syntax(("#",), (), "\"'")
SHELL = Syntax(("#",), (), "", "\"'", spaced=True)
PYTHON = Syntax(("#",), (), "\"'", triple=True, docstrings=True)
RUBY = Syntax(("#",), (), "\"'", spaced=True, pod="=end")
PERL = Syntax(("#",), (), "\"'", spaced=True, pod="=cut")
PHP = Syntax(("//", "#"), (("/*", "*/"),), "", "\"'")
SQL = Syntax(("--",), (("/*", "*/"),), "\"'")
XML = Syntax((), (("<!--", "-->"),))
LISP = Syntax((";",), (("#|", "|#"),), "", '"')
ASSEMBLY = Syntax((";", "#", "//"), (("/*", "*/"),), '"', spaced=True)
HASKELL = Syntax(("--",), (("{-", "-}"),), '"')
ML = Syntax((), (("(*", "*)"),), '"')
LUA = Syntax(("--",), (("--[[", "]]"),), "\"'")
TEX = Syntax(("%",))
ERLANG = Syntax(("%",), (), '"')
MATLAB = Syntax(("%",), (("%{", "%}"),), '"')
FORTRAN = Syntax(("!",), (), "\"'")
BASIC = Syntax(("'",), (), '"')
PASCAL = Syntax(("//",), (("{", "}"), ("(*", "*)")), "'")
BATCH = Syntax(("::", "REM ", "rem "), spaced=True)
SEMICOLON = Syntax((";",), (), "\"'", spaced=True)
INI = Syntax((";", "#"), spaced=True)
YAML = Syntax(("#",), (), "\"'", spaced=True)
TOML = Syntax(("#",), (), "\"'", triple=True)
POWERSHELL = Syntax(("#",), (("<#", "#>"),), "\"'", spaced=True)
JULIA = Syntax(("#",), (("#=", "=#"),), '"', triple=True, docstrings=True)
ADA = Syntax(("--",), (), '"')
TEMPLATE = Syntax((), (("{{!", "}}"), ("<!--", "-->")))
JINJA = Syntax((), (("{#", "#}"), ("<!--", "-->")))
COFFEE = Syntax(("#",), (("###", "###"),), "\"'")
HCL = Syntax(("//", "#"), (("/*", "*/"),), '"')
COBOL = Syntax(("*>",), (), "\"'")
VIM = Syntax(('"',), (), "'", spaced=True)
FSHARP = Syntax(("//",), (("(*", "*)"),), '"')
NIX = Syntax(("#",), (("/*", "*/"),), "", '"')
DART = Syntax(("//",), (("/*", "*/"),), "\"'", triple=True)

# Name, syntax (None: what a comment is cannot be told, as in prose), endings, names of files.
_LANGUAGES: tuple[tuple[str, Syntax | None, str, str], ...] = (
    ("ABAP", Syntax(('"',), (), "'", spaced=True), "abap", ""),
    ("ABNF", SEMICOLON, "abnf", ""),
    ("Ada", ADA, "ada adb ads", ""),
    ("Agda", HASKELL, "agda", ""),
    ("APL", None, "apl dyalog", ""),
    ("AppleScript", Syntax(("--", "#"), (("(*", "*)"),), '"'), "applescript scpt", ""),
    ("AsciiDoc", None, "adoc asciidoc", ""),
    ("ASP.NET", None, "aspx asax ascx ashx asmx cshtml razor", ""),
    ("Assembly", ASSEMBLY, "asm a51 nasm s", ""),
    ("AutoHotkey", SEMICOLON, "ahk", ""),
    ("Awk", HASH, "awk gawk mawk", ""),
    ("Batchfile", BATCH, "bat cmd", ""),
    ("Bicep", C, "bicep", ""),
    ("BibTeX", TEX, "bib bibtex", ""),
    ("Bison", C, "bison y yy", ""),
    ("Brainfuck", None, "bf", ""),
    ("C", C, "c cats h idc", ""),
    ("C#", C, "cs csx", ""),
    ("C++", C, "cpp cc cxx c++ hpp hh hxx h++ inl ipp tcc tpp ixx cppm", ""),
    ("CMake", HASH, "cmake", "cmakelists.txt"),
    ("COBOL", COBOL, "cob cbl cobol cpy", ""),
    ("CSS", CSS, "css", ""),
    ("CSV", NONE, "csv", ""),
    ("Clojure", LISP, "clj cljs cljc cljx edn boot", ""),
    ("CoffeeScript", COFFEE, "coffee cson iced", "cakefile"),
    ("ColdFusion", XML, "cfm cfml", ""),
    ("Common Lisp", LISP, "lisp cl asd lsp", ""),
    ("Coq", ML, "coq", ""),
    ("Crystal", HASH, "cr", ""),
    ("Cuda", C, "cu cuh", ""),
    ("Cython", PYTHON, "pyx pxd pxi", ""),
    ("D", C_RAW, "d di", ""),
    ("Dart", DART, "dart", ""),
    ("Dhall", HASKELL, "dhall", ""),
    ("Diff", None, "diff patch", ""),
    ("Dockerfile", SHELL, "dockerfile containerfile", "dockerfile containerfile"),
    ("DOT", C, "dot gv", ""),
    ("EJS", XML, "ejs ect", ""),
    ("Elixir", Syntax(("#",), (), "\"'", triple=True), "ex exs", "mix.lock"),
    ("Elm", HASKELL, "elm", ""),
    ("Emacs Lisp", LISP, "el emacs", ".emacs"),
    ("Erlang", ERLANG, "erl hrl escript xrl yrl", "rebar.config"),
    ("F#", FSHARP, "fs fsi fsx", ""),
    ("Fish", SHELL, "fish", ""),
    ("Forth", Syntax(("\\ ",), (("( ", ")"),), spaced=True), "forth fth 4th", ""),
    ("Fortran", FORTRAN, "f f77 f90 f95 f03 f08 for fpp", ""),
    ("GDScript", PYTHON, "gd", ""),
    ("GLSL", C, "glsl vert frag geom comp tesc tese vsh fsh shader", ""),
    ("Gherkin", YAML, "feature", ""),
    ("Git Attributes", YAML, "", ".gitattributes"),
    ("Ignore List", YAML, "", ".gitignore .dockerignore .npmignore .eslintignore .prettierignore"),
    ("Go", C_RAW, "go", ""),
    ("Go Module", C, "", "go.mod go.work"),
    ("GraphQL", Syntax(("#",), (), '"', triple=True), "graphql gql graphqls", ""),
    ("Groovy", Syntax(("//",), (("/*", "*/"),), "\"'", triple=True), "groovy gvy gradle", "jenkinsfile"),
    ("HCL", HCL, "tf tfvars hcl nomad", ""),
    ("HLSL", C, "hlsl hlsli fx fxh", ""),
    ("HTML", XML, "html htm xhtml xht hta", ""),
    ("HTML+ERB", XML, "erb rhtml", ""),
    ("Haml", None, "haml", ""),
    ("Handlebars", TEMPLATE, "hbs handlebars mustache", ""),
    ("Haskell", HASKELL, "hs hsc hs-boot", ""),
    ("Haxe", C, "hx hxsl", ""),
    ("Hy", LISP, "hy", ""),
    ("IDL", SEMICOLON, "dlm", ""),
    ("INI", INI, "ini cfg conf prefs properties editorconfig", ".editorconfig .npmrc .gitconfig setup.cfg"),
    ("Idris", HASKELL, "idr lidr", ""),
    ("Inno Setup", SEMICOLON, "iss", ""),
    ("JSON", NONE, "json geojson webmanifest ipynb topojson har avsc",
     ".babelrc .eslintrc .jshintrc .prettierrc composer.lock pipfile.lock"),
    ("JSON5", C, "json5 jsonc", ""),
    ("JSON Lines", NONE, "jsonl ndjson", ""),
    ("Java", Syntax(("//",), (("/*", "*/"),), "\"'", triple=True), "java jav jsh", ""),
    ("Java Server Pages", Syntax((), (("<%--", "--%>"), ("<!--", "-->"))), "jsp jspf tag", ""),
    ("JavaScript", C_RAW, "js mjs cjs jsx es6 jsm", ""),
    ("Jinja", JINJA, "j2 jinja jinja2", ""),
    ("Jsonnet", Syntax(("//", "#"), (("/*", "*/"),), "\"'"), "jsonnet libsonnet", ""),
    ("Julia", JULIA, "jl", ""),
    ("Kotlin", Syntax(("//",), (("/*", "*/"),), '"', triple=True), "kt kts ktm", ""),
    ("LLVM", SEMICOLON, "ll", ""),
    ("Lean", Syntax(("--",), (("/-", "-/"),), '"'), "lean", ""),
    ("Less", C, "less", ""),
    ("Lex", C, "l lex", ""),
    ("Linker Script", CSS, "ld lds", ""),
    ("Liquid", XML, "liquid", ""),
    ("Literate Haskell", None, "lhs", ""),
    ("Lua", LUA, "lua rockspec nse wlua", ""),
    ("M4", Syntax(("dnl", "#"), spaced=True), "m4 ac", "configure.ac"),
    ("MATLAB", MATLAB, "matlab", ""),
    ("Makefile", SHELL, "mk mak make", "makefile gnumakefile makefile.am makefile.in"),
    ("Markdown", None, "md markdown mkd mkdn mdown mdx rmd qmd", "readme.md contents.lr"),
    ("Mathematica", ML, "nb wl wls mathematica", ""),
    ("Meson", HASH, "", "meson.build meson_options.txt"),
    ("Modula-2", ML, "mod", ""),
    ("NSIS", INI, "nsi nsh", ""),
    ("Nim", Syntax(("#",), (("#[", "]#"),), '"', triple=True), "nim nimble nims", ""),
    ("Nix", NIX, "nix", ""),
    ("OCaml", ML, "ml mli mll mly eliom", ""),
    ("Objective-C", C, "m", ""),
    ("Objective-C++", C, "mm", ""),
    ("Odin", C_RAW, "odin", ""),
    ("OpenCL", C, "opencl", ""),
    ("OpenSCAD", C, "scad", ""),
    ("Org", None, "org", ""),
    ("PHP", PHP, "php php3 php4 php5 phtml phps ctp", ""),
    ("PLSQL", SQL, "pls plsql pkb pks", ""),
    ("Pascal", PASCAL, "pas pp dpr lpr dfm", ""),
    ("Perl", PERL, "pl pm t perl al ph psgi", "cpanfile makefile.pl"),
    ("Pod", None, "pod", ""),
    ("PostScript", TEX, "ps eps", ""),
    ("PowerShell", POWERSHELL, "ps1 psm1 psd1", ""),
    ("Prolog", Syntax(("%",), (("/*", "*/"),), "\"'"), "pro prolog yap", ""),
    ("Protocol Buffer", C, "proto", ""),
    ("Pug", Syntax(("//",), (), "\"'", spaced=True), "pug jade", ""),
    ("Puppet", HASH, "epp", "puppetfile"),
    ("PureScript", HASKELL, "purs", ""),
    ("Python", PYTHON, "py pyi pyw py3 bzl gyp gypi wsgi", "sconstruct sconscript wscript build.bazel"),
    ("QML", C, "qml qbs", ""),
    ("R", HASH, "r rd rsx", ".rprofile"),
    ("Racket", LISP, "rkt rktd rktl scrbl", ""),
    ("Raku", HASH, "raku rakumod p6 pl6 pm6", ""),
    ("reStructuredText", None, "rst rest", ""),
    ("ReScript", C, "res resi", ""),
    ("Reason", C, "re rei", ""),
    ("Requirements", YAML, "", "requirements.txt requirements-dev.txt constraints.txt"),
    ("Ruby", RUBY, "rb rake gemspec ru rbw podspec jbuilder",
     "rakefile gemfile podfile vagrantfile guardfile brewfile fastfile capfile"),
    ("Rust", C_NO_CHARS, "rs", ""),
    ("SAS", Syntax((), (("/*", "*/"),), "\"'"), "sas", ""),
    ("SCSS", C, "scss", ""),
    ("SPARQL", YAML, "sparql rq", ""),
    ("SQL", SQL, "sql ddl dml mysql pgsql tab udf viw", ""),
    ("SVG", XML, "svg", ""),
    ("Sass", C, "sass", ""),
    ("Scala", Syntax(("//",), (("/*", "*/"),), '"', triple=True), "scala sbt sc", ""),
    ("Scheme", LISP, "scm ss sld sls sps", ""),
    ("Shell", SHELL, "sh bash zsh ksh bats command ebuild",
     ".bashrc .bash_profile .profile .zshrc .zshenv configure pkgbuild gradlew"),
    ("Smalltalk", None, "st", ""),
    ("Solidity", C, "sol", ""),
    ("Standard ML", ML, "sml fun sig", ""),
    ("Starlark", PYTHON, "star starlark", "build workspace tiltfile"),
    ("Stata", Syntax(("//", "*"), (("/*", "*/"),), '"', spaced=True), "do ado doh", ""),
    ("Stylus", C, "styl", ""),
    ("Svelte", Syntax(("//",), (("<!--", "-->"), ("/*", "*/")), "", "`", spaced=True), "svelte", ""),
    ("Swift", Syntax(("//",), (("/*", "*/"),), '"', triple=True), "swift", ""),
    ("SystemVerilog", C_NO_CHARS, "sv svh", ""),
    ("TOML", TOML, "toml", "cargo.lock poetry.lock pdm.lock uv.lock pipfile"),
    ("TSV", NONE, "tsv", ""),
    ("Tcl", Syntax(("#",), (), '"', spaced=True), "tcl tk itk", ""),
    ("TeX", TEX, "tex sty cls ltx dtx ins lbx bbx", ""),
    ("Text", None, "txt text", "readme license licence copying notice authors changelog news todo"),
    ("Thrift", Syntax(("//", "#"), (("/*", "*/"),), "\"'"), "thrift", ""),
    ("Turtle", YAML, "ttl", ""),
    ("Twig", JINJA, "twig", ""),
    ("TypeScript", C_RAW, "ts tsx mts cts", ""),
    ("V", Syntax(("//",), (("/*", "*/"),), "\"'", "`"), "vv", ""),
    ("VHDL", ADA, "vhd vhdl vho vht", ""),
    ("Vala", C, "vala vapi", ""),
    ("Verilog", C_NO_CHARS, "v veo vh", ""),
    ("Vim Script", VIM, "vim vimrc", ".vimrc _vimrc"),
    ("Visual Basic .NET", BASIC, "vb vbs bas frm vba", ""),
    ("Vue", Syntax(("//",), (("<!--", "-->"), ("/*", "*/")), "", "`", spaced=True), "vue", ""),
    ("WGSL", C, "wgsl", ""),
    ("WebAssembly", Syntax((";;",), (("(;", ";)"),), '"'), "wat wast", ""),
    ("XML", XML, "xml xsd xsl xslt rdf rss atom plist csproj vbproj vcxproj fsproj props targets xaml wsdl dtd kml gpx "
                 "xlf resx nuspec storyboard xib ui qrc opf ncx dita", "pom.xml"),
    ("XQuery", Syntax((), (("(:", ":)"),), "\"'"), "xq xql xqm xquery xqy", ""),
    ("YAML", YAML, "yml yaml", ".clang-format .clang-tidy .travis.yml citation.cff"),
    ("Zig", Syntax(("//",), (), '"'), "zig zon", ""),
)  # fmt: skip

# Data in a language of data, which StarCoder's preparation takes between 50 and 5,000 characters alone.
DATA = frozenset({"CSV", "TSV", "JSON", "JSON Lines", "JSON5", "YAML"})

SYNTAXES: dict[str, Syntax] = {name: syntax for name, syntax, _, _ in _LANGUAGES if syntax is not None}
_BY_ENDING = {ending: name for name, _, endings, _ in _LANGUAGES for ending in endings.split()}
_BY_NAME = {file: name for name, _, _, files in _LANGUAGES for file in files.split()}


@functools.lru_cache(maxsize=65536)
def language_of(path: str) -> str | None:
    """The language of a file by its name, else by its last ending, both in any case; None if neither is known."""
    name = path.replace("\\", "/").rpartition("/")[2].lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith(("dockerfile.", "makefile.")):
        return _BY_NAME[name.partition(".")[0]]
    stem, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(ending) if dot and (stem or ending) else None
