//! From burn's tensors to kernels and back, with a gradient where one is recorded.

use burn::backend::flex::FlexTensor;
use burn::backend::{BackendTensor, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::{DType, Shape, Tensor, TensorData};

/// A function of `N` contiguous f32 tensors and its derivative. Holds sizes and constants alone.
pub(super) trait Operator<const N: usize>:
    Clone + std::fmt::Debug + Send + Sync + 'static
{
    /// The function.
    fn forward(&self, inputs: [&[f32]; N]) -> Values;

    /// Gradients with regard to the inputs that are `wanted`, from that of the output.
    fn backward(
        &self,
        inputs: [&[f32]; N],
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Option<Values>; N];
}

/// Numbers and their shape.
pub(super) struct Values {
    values: Vec<f32>,
    shape: Shape,
}

impl Values {
    pub(super) fn new(values: Vec<f32>, shape: impl Into<Shape>) -> Self {
        Self {
            values,
            shape: shape.into(),
        }
    }

    fn into_tensor(self) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(self.values, self.shape))
    }
}

/// The operator's output, recorded where an input is on an autodiff device; `None` where burn has to do it.
pub(super) fn apply<const N: usize, const D: usize>(
    operator: impl Operator<N>,
    inputs: [DispatchTensor; N],
) -> Option<Tensor<D>> {
    let plain = inputs.clone().map(plain);
    if plain.iter().all(Option::is_some) {
        let plain = plain.map(|tensor| tensor.map(contiguous));
        let output = forward(&operator, &plain.each_ref().map(|tensor| tensor.as_ref()))?;
        return Some(Tensor::from_primitive::<Flex>(output));
    }
    #[cfg(feature = "training-kernels")]
    {
        recorded::apply(operator, inputs)
    }
    #[cfg(not(feature = "training-kernels"))]
    None
}

/// [`apply`] for a tensor, and a weight and a bias of its channels.
pub(super) fn apply_affine<const D: usize>(
    operator: impl Operator<3>,
    input: &Tensor<D>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
) -> Option<Tensor<D>> {
    let input = input.clone().into_dispatch();
    let [weight, bias] = [weight, bias].map(|tensor| tensor.clone().into_dispatch());
    apply(operator, [input, weight, bias])
}

/// A tensor of the processor's memory in f32.
fn plain(tensor: DispatchTensor) -> Option<FlexTensor> {
    match <DispatchTensor as DispatchKindConversion<Flex>>::try_into_backend(tensor) {
        Ok(BackendTensor::Float(tensor)) if tensor.dtype() == DType::F32 => Some(tensor),
        _ => None,
    }
}

/// A tensor whose gradient nobody wants: plain, or on a tape that does not record it.
pub(super) fn constant(tensor: DispatchTensor) -> Option<FlexTensor> {
    let found = plain(tensor.clone());
    #[cfg(feature = "training-kernels")]
    let found = found.or_else(|| recorded::constant(tensor));
    found.map(contiguous)
}

/// Whether kernels take the tensor, and nothing is recorded.
pub(super) fn is_plain<const D: usize>(tensor: &Tensor<D>) -> bool {
    plain(tensor.clone().into_dispatch()).is_some()
}

fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.as_slice::<f32>().is_some() {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

fn forward<const N: usize>(
    operator: &impl Operator<N>,
    inputs: &[Option<&FlexTensor>; N],
) -> Option<FlexTensor> {
    let slices = slices(inputs)?;
    Some(operator.forward(slices).into_tensor())
}

fn slices<'a, const N: usize>(inputs: &[Option<&'a FlexTensor>; N]) -> Option<[&'a [f32]; N]> {
    let mut slices = [[].as_slice(); N];
    for (slice, input) in slices.iter_mut().zip(inputs) {
        *slice = (*input)?.as_slice::<f32>()?;
    }
    Some(slices)
}

#[cfg(feature = "training-kernels")]
mod recorded {
    use burn::backend::autodiff::NodeId;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::{
        BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
    };
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, AutodiffBackend};

    use super::*;

    /// An operator on the tape.
    #[derive(Debug)]
    struct Recorded<O>(O);

    impl<const N: usize, O: Operator<N>> Backward<Flex, N> for Recorded<O> {
        type State = [NodeId; N];

        fn backward(
            self,
            ops: Ops<Self::State, N>,
            grads: &mut Gradients,
            checkpointer: &mut Checkpointer,
        ) {
            let gradient = contiguous(grads.consume::<Flex>(&ops.node));
            let inputs = ops
                .state
                .map(|node| contiguous(checkpointer.retrieve_node_output::<FlexTensor>(node)));
            let wanted = ops.parents.each_ref().map(|parent| parent.is_some());
            let (Some(slices), Some(gradient)) = (
                slices(&inputs.each_ref().map(Some)),
                gradient.as_slice::<f32>(),
            ) else {
                return;
            };
            let found = self.0.backward(slices, gradient, wanted);
            for (parent, gradient) in ops.parents.into_iter().zip(found) {
                if let (Some(parent), Some(gradient)) = (parent, gradient) {
                    grads.register::<Flex>(parent.id, gradient.into_tensor());
                }
            }
        }
    }

    pub(super) fn apply<const N: usize, const D: usize>(
        operator: impl Operator<N>,
        inputs: [DispatchTensor; N],
    ) -> Option<Tensor<D>> {
        with::<NoCheckpointing, N, D>(&operator, &inputs)
            .or_else(|| with::<BalancedCheckpointing, N, D>(&operator, &inputs))
    }

    fn with<C: CheckpointStrategy, const N: usize, const D: usize>(
        operator: &impl Operator<N>,
        inputs: &[DispatchTensor; N],
    ) -> Option<Tensor<D>>
    where
        DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
    {
        let lifted = inputs.clone().map(lifted::<C>);
        if lifted.iter().any(Option::is_none) {
            return None;
        }
        let values = lifted
            .each_ref()
            .map(|tensor| tensor.as_ref().map(|it| contiguous(it.primitive().clone())));
        let output = forward(operator, &values.each_ref().map(Option::as_ref))?;
        let mut nodes = Vec::with_capacity(N);
        nodes.extend(lifted.iter().flatten().map(|tensor| tensor.node()));
        let nodes = nodes.try_into().ok()?;
        let prepared = Recorded(operator.clone())
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful();
        let output = match prepared {
            OpsKind::Tracked(mut prepared) => {
                let mut state = Vec::with_capacity(N);
                for tensor in lifted.iter().flatten() {
                    state.push(prepared.checkpoint(tensor));
                }
                prepared.finish(state.try_into().ok()?, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        Some(Tensor::from_primitive::<Autodiff<Flex, C>>(output))
    }

    pub(super) fn constant(tensor: DispatchTensor) -> Option<FlexTensor> {
        fn of<C: CheckpointStrategy>(tensor: DispatchTensor) -> Option<FlexTensor>
        where
            DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
        {
            let found = lifted::<C>(tensor)?;
            (!found.is_tracked()).then(|| found.into_primitive())
        }
        of::<NoCheckpointing>(tensor.clone()).or_else(|| of::<BalancedCheckpointing>(tensor))
    }

    /// A tensor on the tape; one that is on none is a constant there.
    fn lifted<C: CheckpointStrategy>(
        tensor: DispatchTensor,
    ) -> Option<FloatTensor<Autodiff<Flex, C>>>
    where
        DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
    {
        if let Some(constant) = plain(tensor.clone()) {
            return Some(<Autodiff<Flex, C> as AutodiffBackend>::from_inner(constant));
        }
        match <DispatchTensor as DispatchKindConversion<Autodiff<Flex, C>>>::try_into_backend(
            tensor,
        ) {
            Ok(BackendTensor::Float(found)) if found.primitive().dtype() == DType::F32 => {
                Some(found)
            }
            _ => None,
        }
    }
}
