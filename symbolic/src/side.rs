//! One side of a comparison: what a plan allows, as functions of classes.

use crate::{
    bdd::{Bdd, Manager, TooLarge},
    condition::{Condition, Form, Literal, RuleForm, Subject, Value, Vocabulary},
    kind::Kind,
    known::Known,
    space::{Space, plain},
    tokens::Tokens,
    undecided::Undecided,
};
use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use gnomon_engine::order::sort_by;
use gnomon_engine::{
    Plan,
    plan::{PeerModes, Rule},
    resource::MtlsMode,
    verdict::Stage,
};

/// A function with a margin: what holds for certain, and what may hold. Equal where everything is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// It holds, whatever is not known.
    pub certain: Bdd,
    /// It may hold.
    pub possible: Bdd,
}

impl Margin {
    /// Everywhere.
    pub const TRUE: Margin = Margin::of(Bdd::TRUE);
    /// Nowhere.
    pub const FALSE: Margin = Margin::of(Bdd::FALSE);

    /// Without a margin.
    pub const fn of(f: Bdd) -> Margin {
        Margin { certain: f, possible: f }
    }

    fn exact(self) -> bool {
        self.certain == self.possible
    }

    pub(crate) fn and(self, other: Margin, manager: &mut Manager) -> Result<Margin, TooLarge> {
        let certain = manager.and(self.certain, other.certain)?;
        if self.exact() && other.exact() {
            return Ok(Margin::of(certain));
        }
        Ok(Margin { certain, possible: manager.and(self.possible, other.possible)? })
    }

    pub(crate) fn or(self, other: Margin, manager: &mut Manager) -> Result<Margin, TooLarge> {
        (!self).and(!other, manager).map(core::ops::Not::not)
    }
}

impl core::ops::Not for Margin {
    type Output = Margin;

    fn not(self) -> Margin {
        Margin { certain: !self.possible, possible: !self.certain }
    }
}

/// A rule of a stage: its number in the vocabulary, and where it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered<'p> {
    pub(crate) number: u32,
    pub(crate) rule: &'p Rule,
}

/// The CUSTOM stage.
#[derive(Clone, Debug)]
pub(crate) struct Custom<'p> {
    /// Whom it asks; `None`: nobody can be asked, and what matches is refused.
    pub(crate) provider: Option<String>,
    pub(crate) fails_open: bool,
    pub(crate) rules: Vec<Numbered<'p>>,
}

/// The stages of one release of a plan, by numbers of rules.
#[derive(Clone, Debug)]
pub(crate) struct Stages<'p> {
    pub(crate) modes: Vec<PeerModes<'p>>,
    pub(crate) accepted: Option<String>,
    pub(crate) custom: Option<Custom<'p>>,
    pub(crate) deny: Vec<Numbered<'p>>,
    /// `None`: no ALLOW policy is enforced.
    pub(crate) allow: Option<Vec<Numbered<'p>>>,
}

impl<'p> Stages<'p> {
    pub(crate) fn of(plan: &'p Plan, kind: Kind, vocabulary: &mut Vocabulary<'p>) -> Stages<'p> {
        let mut stages = Stages {
            modes: plan.peer_modes(),
            accepted: plan.accepted_trust_domain().map(ToOwned::to_owned),
            custom: None,
            deny: Vec::new(),
            allow: None,
        };
        let mut numbered = |rules: &'p [Rule]| -> Vec<Numbered<'p>> {
            rules.iter().map(|rule| Numbered { number: vocabulary.rule(rule), rule }).collect()
        };
        for stage in plan.stages(kind.protocol()).into_iter().filter(|stage| !stage.dry_run) {
            match stage.stage {
                // Without a route Envoy asks no provider.
                Stage::Custom if kind == Kind::Connect && stage.provider.is_some() => {}
                Stage::Custom => {
                    stages.custom = Some(Custom {
                        provider: stage.provider.map(ToString::to_string),
                        fails_open: plan.provider_fails_open(kind.protocol()),
                        rules: numbered(stage.rules),
                    });
                }
                Stage::Deny => stages.deny = numbered(stage.rules),
                Stage::Allow => stages.allow = Some(numbered(stage.rules)),
                _ => {}
            }
        }
        stages
    }

    /// Everything but the rules themselves.
    pub(crate) fn has_frame_of(&self, other: &Stages<'_>) -> bool {
        let custom = |stages: &Stages<'_>| {
            stages.custom.as_ref().map(|custom| (custom.provider.clone(), custom.fails_open))
        };
        self.modes == other.modes
            && self.accepted == other.accepted
            && custom(self) == custom(other)
            && self.allow.is_some() == other.allow.is_some()
    }

    /// The rules of each stage, each number once.
    pub(crate) fn sets(&self) -> [Vec<u32>; 3] {
        let custom = self.custom.as_ref().map(|custom| &custom.rules[..]).unwrap_or_default();
        let allow = self.allow.as_deref().unwrap_or_default();
        [custom, &self.deny, allow].map(|rules| {
            let mut numbers: Vec<u32> = rules.iter().map(|rule| rule.number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        })
    }

    /// What the gate and the CUSTOM provider look at.
    pub(crate) fn looks(&self, vocabulary: &mut Vocabulary<'p>) -> Vec<Literal> {
        let mut all = Vec::new();
        let matters =
            |modes: &PeerModes<'_>| modes.modes.iter().any(|(mode, _)| *mode != MtlsMode::Permissive);
        if self.modes.iter().any(matters) || self.accepted.is_some() {
            all.push(vocabulary.literal(Subject::Peer, []));
            let ports = self.modes.iter().filter_map(|modes| modes.port).map(Value::Port);
            let ports: Vec<Value<'_>> = ports.collect();
            if !ports.is_empty() {
                all.push(vocabulary.literal(Subject::Port, ports));
            }
        }
        if let Some(own) = &self.accepted {
            all.push(vocabulary.literal(Subject::Peer, [plain(Form::Own, own)]));
        }
        if let Some(provider) = self.custom.as_ref().and_then(|custom| custom.provider.as_ref()) {
            all.push(vocabulary.literal(Subject::Provider(provider.clone()), []));
        }
        all
    }
}

/// The stages as functions.
#[derive(Clone, Debug)]
pub(crate) struct Functions {
    /// ztunnel's handshake.
    pub(crate) handshake: Margin,
    /// The mTLS gate. ztunnel asks it behind the DENY policies.
    pub(crate) gate: Margin,
    /// Each CUSTOM rule, and that the stage lets pass.
    pub(crate) custom_rules: Vec<Margin>,
    pub(crate) custom: Margin,
    pub(crate) jwt: Margin,
    pub(crate) deny: Vec<Margin>,
    pub(crate) allow: Vec<Margin>,
    /// Nothing refuses.
    pub(crate) allowed: Margin,
}

/// Under which circumstances rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Circumstances {
    pub(crate) payload: Bdd,
    pub(crate) believes_peers: bool,
}

/// Makes functions of rules, each once.
#[derive(Debug)]
pub(crate) struct Builder<'s> {
    pub(crate) space: &'s mut Space,
    literals: Known<Literal, Bdd>,
    rules: Known<(u32, Circumstances), Margin>,
}

impl<'s> Builder<'s> {
    pub(crate) fn new(space: &'s mut Space) -> Builder<'s> {
        Builder { space, literals: Known::default(), rules: Known::default() }
    }

    /// The stages of a plan; `relevant` says which rules count, by number: the others match nothing that is of interest.
    pub(crate) fn functions(
        &mut self,
        vocabulary: &mut Vocabulary<'_>,
        stages: &Stages<'_>,
        tokens: Tokens,
        believes_peers: bool,
        relevant: &[bool],
    ) -> Result<Functions, Undecided> {
        let late = Circumstances { payload: tokens.payload, believes_peers };
        // CUSTOM comes before the token is read.
        let early = Circumstances { payload: Bdd::FALSE, ..late };
        let handshake = self.handshake(vocabulary, stages)?;
        let gate = self.gate(vocabulary, stages, believes_peers)?;
        let mut custom_rules = Vec::new();
        let mut custom = Margin::TRUE;
        if let Some(stage) = &stages.custom {
            custom_rules = self.each(vocabulary, &stage.rules, early, relevant)?;
            let asked = self.any(&custom_rules)?;
            let answer = match &stage.provider {
                None => Bdd::FALSE,
                Some(name) => {
                    let number = vocabulary.find(&Subject::Provider(name.clone()));
                    let axis = number.and_then(|number| *self.space.by_number.get(number as usize)?);
                    let good: &[u32] = if stage.fails_open { &[0, 2] } else { &[0] };
                    match axis.and_then(|at| self.space.axes.get(at)) {
                        Some(axis) => axis.any_of(&mut self.space.manager, good)?,
                        None => Bdd::FALSE,
                    }
                }
            };
            custom = (!asked).or(Margin::of(answer), &mut self.space.manager)?;
        }
        let deny = self.each(vocabulary, &stages.deny, late, relevant)?;
        let mut allow = Vec::new();
        let mut passes = Margin::TRUE;
        if let Some(rules) = &stages.allow {
            allow = self.each(vocabulary, rules, late, relevant)?;
            passes = self.any(&allow)?;
        }
        let jwt = Margin::of(tokens.passes);
        let denied = self.any(&deny)?;
        let manager = &mut self.space.manager;
        let mut allowed = passes.and(!denied, manager)?;
        for part in [jwt, custom, gate, handshake] {
            allowed = allowed.and(part, manager)?;
        }
        Ok(Functions { handshake, gate, custom_rules, custom, jwt, deny, allow, allowed })
    }

    fn each(
        &mut self,
        vocabulary: &Vocabulary<'_>,
        rules: &[Numbered<'_>],
        circumstances: Circumstances,
        relevant: &[bool],
    ) -> Result<Vec<Margin>, Undecided> {
        rules
            .iter()
            .map(|rule| match relevant.get(rule.number as usize) {
                Some(true) => self.rule(vocabulary, rule.number, circumstances),
                _ => Ok(Margin::FALSE),
            })
            .collect()
    }

    fn any(&mut self, functions: &[Margin]) -> Result<Margin, TooLarge> {
        let mut certain: Vec<Bdd> = functions.iter().map(|one| one.certain).collect();
        let exact = functions.iter().all(|one| one.exact());
        sort_by(&mut certain, Ord::cmp);
        certain.dedup();
        let certain = self.space.manager.any(certain)?;
        if exact {
            return Ok(Margin::of(certain));
        }
        let possible = functions.iter().map(|one| one.possible).collect();
        Ok(Margin { certain, possible: self.space.manager.any(possible)? })
    }

    fn rule(
        &mut self,
        vocabulary: &Vocabulary<'_>,
        number: u32,
        circumstances: Circumstances,
    ) -> Result<Margin, Undecided> {
        if let Some(known) = self.rules.get(&(number, circumstances)) {
            return Ok(*known);
        }
        let Some(RuleForm { from, to, when }) = vocabulary.forms.get(number as usize) else {
            return Ok(Margin::FALSE);
        };
        let mut function = self.all(vocabulary, when, circumstances)?;
        for groups in [to, from] {
            if groups.is_empty() {
                continue;
            }
            let mut any = Margin::FALSE;
            for group in groups {
                let one = self.all(vocabulary, group, circumstances)?;
                any = any.or(one, &mut self.space.manager)?;
            }
            function = function.and(any, &mut self.space.manager)?;
        }
        self.rules.insert((number, circumstances), function);
        Ok(function)
    }

    fn all(
        &mut self,
        vocabulary: &Vocabulary<'_>,
        conditions: &[Condition],
        circumstances: Circumstances,
    ) -> Result<Margin, Undecided> {
        let mut all = Margin::TRUE;
        for condition in conditions {
            let one = self.condition(vocabulary, condition, circumstances)?;
            all = all.and(one, &mut self.space.manager)?;
        }
        Ok(all)
    }

    fn condition(
        &mut self,
        vocabulary: &Vocabulary<'_>,
        condition: &Condition,
        circumstances: Circumstances,
    ) -> Result<Margin, Undecided> {
        if let Some(what) = condition.unsupported {
            return Err(Undecided::Unsupported(what));
        }
        let mut any = Margin::FALSE;
        for alternative in &condition.alternatives {
            let mut all = Margin::TRUE;
            for literal in alternative {
                let one = self.literal(vocabulary, literal, circumstances)?;
                all = all.and(one, &mut self.space.manager)?;
            }
            any = any.or(all, &mut self.space.manager)?;
        }
        for group in &condition.nested {
            let all = self.all(vocabulary, group, circumstances)?;
            any = any.or(all, &mut self.space.manager)?;
        }
        Ok(if condition.negated { !any } else { any })
    }

    fn literal(
        &mut self,
        vocabulary: &Vocabulary<'_>,
        literal: &Literal,
        circumstances: Circumstances,
    ) -> Result<Margin, TooLarge> {
        let subject = vocabulary.subjects.get(literal.axis as usize);
        let function = match self.literals.get(literal) {
            Some(known) => *known,
            None => {
                let Space { axes, by_number, manager } = &mut *self.space;
                let at = by_number.get(literal.axis as usize).copied().flatten();
                let function = match at.and_then(|at| axes.get(at)) {
                    Some(axis) => axis.literal(manager, literal)?,
                    None => Bdd::FALSE,
                };
                self.literals.insert(literal.clone(), function);
                function
            }
        };
        match subject {
            Some(Subject::Issuer | Subject::Claim(_)) => {
                Ok(Margin::of(self.space.manager.and(function, circumstances.payload)?))
            }
            Some(Subject::Peer) if !circumstances.believes_peers => {
                Ok(Margin { certain: Bdd::FALSE, possible: !self.plaintext(vocabulary)? })
            }
            _ => Ok(Margin::of(function)),
        }
    }

    /// No certificate is shown.
    fn plaintext(&mut self, vocabulary: &Vocabulary<'_>) -> Result<Bdd, TooLarge> {
        let Space { axes, by_number, manager } = &mut *self.space;
        let number = vocabulary.find(&Subject::Peer);
        let at = number.and_then(|number| *by_number.get(number as usize)?);
        match at.and_then(|at| axes.get(at)).and_then(|axis| Some((axis, axis.absent()?))) {
            Some((axis, absent)) => axis.any_of(manager, &[absent]),
            None => Ok(Bdd::FALSE),
        }
    }

    fn gate(
        &mut self,
        vocabulary: &mut Vocabulary<'_>,
        stages: &Stages<'_>,
        believes_peers: bool,
    ) -> Result<Margin, TooLarge> {
        let plaintext = self.plaintext(vocabulary)?;
        let mut gate = Margin::TRUE;
        // The last is for all ports that are not listed.
        for modes in stages.modes.iter().rev() {
            let here = self.mode(modes, plaintext, believes_peers)?;
            gate = match modes.port {
                None => here,
                Some(port) => {
                    let literal = vocabulary.literal(Subject::Port, [Value::Port(port)]);
                    let at = Margin::of(self.exactly(&literal)?);
                    let manager = &mut self.space.manager;
                    let inside = at.and(here, manager)?;
                    let outside = (!at).and(gate, manager)?;
                    inside.or(outside, manager)?
                }
            };
        }
        Ok(gate)
    }

    fn handshake(
        &mut self,
        vocabulary: &mut Vocabulary<'_>,
        stages: &Stages<'_>,
    ) -> Result<Margin, TooLarge> {
        let Some(own) = &stages.accepted else { return Ok(Margin::TRUE) };
        let plaintext = self.plaintext(vocabulary)?;
        let literal = vocabulary.literal(Subject::Peer, [plain(Form::Own, own)]);
        let known = self.exactly(&literal)?;
        Ok(Margin::of(self.space.manager.or(plaintext, known)?))
    }

    /// A literal that means the same under all circumstances.
    fn exactly(&mut self, literal: &Literal) -> Result<Bdd, TooLarge> {
        let Space { axes, by_number, manager } = &mut *self.space;
        let at = by_number.get(literal.axis as usize).copied().flatten();
        match at.and_then(|at| axes.get(at)) {
            Some(axis) => axis.literal(manager, literal),
            None => Ok(Bdd::FALSE),
        }
    }

    fn mode(&mut self, modes: &PeerModes<'_>, plaintext: Bdd, believes: bool) -> Result<Margin, TooLarge> {
        let (mut certain, mut possible) = (vec![], vec![]);
        for (mode, _) in &modes.modes {
            let one = match mode {
                MtlsMode::Permissive => Margin::TRUE,
                MtlsMode::Disable => Margin::of(plaintext),
                MtlsMode::Strict if believes => Margin::of(!plaintext),
                // A certificate of which nobody checks the name may as well have none.
                MtlsMode::Strict => Margin { certain: Bdd::FALSE, possible: !plaintext },
            };
            certain.push(one.certain);
            possible.push(one.possible);
        }
        let manager = &mut self.space.manager;
        Ok(Margin { certain: manager.all(certain)?, possible: manager.any(possible)? })
    }
}
