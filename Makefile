# `make` lists the targets. The first target that needs .venv/ or .tools/ sets it up by itself.

PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
GO ?= go
uv_version := 0.13.8

venv := .venv/.installed
py := .venv/bin/python
uv := .tools/uv-$(uv_version)

# Hundreds of tests start commands: without kept bytecode, each compiles all sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test e2e clone assets lint bench soak schemas docs lock golden clean tools chromium
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(venv) ## a fleet from its specs to git, step by step
	PATH="$(CURDIR)/.venv/bin:$$PATH" examples/demo.sh

test: tools chromium lint ## everything that must pass before a change is merged
	$(pytest) -n auto --dist loadfile --no-loadscope-reorder

e2e: $(venv) assets ## the tests on a real API server
	KUBEBUILDER_ASSETS="$(abspath $(kubernetes))" $(py) -m pytest tests/e2e

clone: $(venv) tools assets ## the tests that compare with ../shared once more without it, as in a clone
	KMODGATE_SHARED= $(pytest) -m shared
	KMODGATE_SHARED= KUBEBUILDER_ASSETS="$(abspath $(kubernetes))" $(py) -m pytest -m shared tests/e2e

lint: $(venv) ## ruff, mypy and the import contracts
	$(py) -m ruff check
	$(py) -m ruff format --check
	$(py) -m mypy
	.venv/bin/lint-imports --no-logo

bench: $(venv) tools ## the budgets, side by side in one run; BENCH=quick only tries each row
	BENCH="$(BENCH)" KUBECONFORM="$(abspath $(kubeconform))" $(py) -m tests.bench

soak: $(venv) ## the webhook at work for SOAK_SECONDS (180): nothing fails, nothing leaks, nothing grows
	$(py) -m tests.soak

schemas: $(venv) ## compose the JSON Schemas again
	$(py) -m tools.compose_schemas

docs: $(venv) ## write the generated pages of docs/ again
	$(py) -m tools.generate_docs

golden: $(venv) tools ## accept what the examples render to now, and what plan and diff say
	$(pytest) --update-golden tests/renderer/test_examples.py tests/renderer/plan tests/renderer/diff

lock: $(uv)/bin/uv ## resolve requirements.lock again; LOCK_FLAGS=--upgrade takes the newest versions
	$< pip compile --universal --python-version 3.11 --python $(uv)/bin/python --no-python-downloads --no-config \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet \
	    --extra webhook --group dev --output-file requirements.lock $(LOCK_FLAGS) pyproject.toml

clean: ## remove everything that make and the tests leave behind
	rm -rf .venv .tools build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Python ---

pip := -m pip --disable-pip-version-check install --quiet

define create_venv
	@for python in $(PYTHONS); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "make: Python 3.11 or newer is needed, and none of these is it: $(PYTHONS)." \
	         "Install one, or name it: make PYTHON=path" >&2; \
	    exit 1; \
	fi; \
	"$$python" -m venv --clear $(1)
endef

.venv/.locked: requirements.lock
	$(call create_venv,.venv)
	$(py) $(pip) --require-hashes -r requirements.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml
	$(py) $(pip) --no-deps --no-build-isolation -e .
	$(py) -m compileall -q policy renderer schemas webhook
	@touch $@

$(uv)/bin/uv:
	$(call create_venv,$(uv))
	$(uv)/bin/python $(pip) uv==$(uv_version)

# --- Go: kubeconform, actionlint, the YAML decoder of kubectl, and the validation of Ignition ---

go_is_new := $(GO) env GOVERSION 2>/dev/null | grep -Eq 'go(1\.(2[6-9]|[3-9][0-9])|[2-9])'
go_build := GOWORK=off CGO_ENABLED=0 $(GO) build -mod=readonly -trimpath -buildvcs=false

ifeq ($(KUBECONFORM),)
kubeconform := .tools/kubeconform
goyaml := .tools/goyaml
else
kubeconform := $(KUBECONFORM)
goyaml := $(if $(shell $(go_is_new) && echo yes),.tools/goyaml)
endif
actionlint := $(if $(goyaml),.tools/actionlint)
ignition := $(if $(goyaml),.tools/ignition)

# Tests that need one of these programs skip when its variable is not set.
pytest = KUBECONFORM="$(abspath $(kubeconform))" \
    $(if $(goyaml),GOYAML="$(abspath $(goyaml))" ACTIONLINT="$(abspath $(actionlint))" \
    IGNITION="$(abspath $(ignition))") $(py) -m pytest

# $(call require_go,what is built,how to do without)
define require_go
	@$(go_is_new) || { \
	    echo "make: Go 1.26 or newer is needed to build $(1) for the tests: install it, or name $(2)" >&2; \
	    exit 1; \
	}
	@mkdir -p $(@D)
endef
kubeconform_instead := an existing kubeconform: make KUBECONFORM=path

tools: $(if $(KUBECONFORM),,$(kubeconform)) $(goyaml) $(actionlint) $(ignition)
	@test -x "$(kubeconform)" || { echo "make: KUBECONFORM=$(kubeconform) is not a program" >&2; exit 1; }

.tools/kubeconform: tests/tools/go.mod tests/tools/go.sum
	$(call require_go,kubeconform,$(kubeconform_instead))
	cd tests/tools && $(go_build) -o "$(CURDIR)/$@" \
	    -ldflags "-X main.version=$$($(GO) list -m -f '{{.Version}}' github.com/yannh/kubeconform)" \
	    github.com/yannh/kubeconform/cmd/kubeconform
	@touch $@

.tools/actionlint: tests/tools/go.mod tests/tools/go.sum
	$(call require_go,actionlint,$(kubeconform_instead))
	cd tests/tools && $(go_build) -o "$(CURDIR)/$@" github.com/rhysd/actionlint/cmd/actionlint
	@touch $@

.tools/goyaml: tests/goyaml/go.mod tests/goyaml/go.sum tests/goyaml/main.go
	$(call require_go,kubeconform,$(kubeconform_instead))
	cd tests/goyaml && $(go_build) -o "$(CURDIR)/$@" .
	@touch $@

.tools/ignition: tests/ignition/go.mod tests/ignition/go.sum tests/ignition/main.go
	$(call require_go,kubeconform,$(kubeconform_instead))
	cd tests/ignition && $(go_build) -o "$(CURDIR)/$@" .
	@touch $@

# --- Go: the control plane of `make e2e` ---

ifeq ($(KUBEBUILDER_ASSETS),)
kubernetes := .tools/kubernetes
kubernetes_programs := $(addprefix $(kubernetes)/,etcd kube-apiserver kube-controller-manager kubectl)
else
kubernetes := $(KUBEBUILDER_ASSETS)
endif
kubernetes_instead := a folder with kube-apiserver, etcd and kubectl: make e2e KUBEBUILDER_ASSETS=path

assets: $(kubernetes_programs) ## build that API server, with etcd, controllers and kubectl: minutes at first, seconds later

.tools/kubernetes/etcd: tests/e2e/assets/etcd/go.mod tests/e2e/assets/etcd/go.sum
	$(call require_go,etcd,$(kubernetes_instead))
	cd $(<D) && $(go_build) -ldflags "-s -w" -o "$(CURDIR)/$@" go.etcd.io/etcd/server/v3
	@touch $@

# Clients do not understand a server that does not know its version.
.tools/kubernetes/kube%: tests/e2e/assets/kubernetes/go.mod tests/e2e/assets/kubernetes/go.sum
	$(call require_go,kube$*,$(kubernetes_instead))
	cd $(<D) && version=$$(GOWORK=off $(GO) list -m -f '{{.Version}}' k8s.io/kubernetes) && minor=$${version#v1.} && \
	    stamp="-X k8s.io/component-base/version.git" && $(go_build) -o "$(CURDIR)/$@" \
	    -ldflags "-s -w $${stamp}Version=$$version $${stamp}Major=1 $${stamp}Minor=$${minor%%.*}" \
	    k8s.io/kubernetes/cmd/kube$*
	@touch $@

# --- Chromium, in which pages of HTML are tested: from the system's packages where that is possible ---

apt_get := DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq -o DPkg::Lock::Timeout=60

chromium:
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { \
	    command -v apt-get >/dev/null && test "$$(id -u)" = 0 && echo "make: installing Chromium for the tests" >&2 \
	    && $(apt_get) update && $(apt_get) install --no-install-recommends chromium >/dev/null </dev/null; \
	} || echo "make: there is no Chromium, so the tests that open a page skip" >&2
